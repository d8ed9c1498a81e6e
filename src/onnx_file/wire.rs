//! The wire format of protocol buffers, read in place: nothing is copied, and nothing is allocated by a length that the
//! bytes only claim.

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    /// A variable-length integer.
    Varint(u64),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// A string, some bytes, a message inside or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of a message.
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Number of bytes after the field that was read last.
    #[cfg(any(feature = "files", feature = "onnx"))]
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next field and its number, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return Err("a field has the number 0".into());
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.fixed()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.fixed()?),
            kind => return Err(format!("field {number} is of the unknown kind {kind}")),
        };
        Ok(Some((number, field)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return Err(format!("{length} bytes are announced, but only {} are left", self.bytes.len()));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.take(N)?);
        Ok(fixed)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for (at, &byte) in self.bytes.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[at + 1..];
                return Ok(value);
            }
        }
        Err("a number does not end".into())
    }
}

impl<'a> Field<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err("a number stands where bytes are expected".into()),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a name is not valid UTF-8".into())
    }

    pub(crate) fn int(self) -> Result<i64, String> {
        match self {
            Self::Varint(value) => Ok(value as i64),
            _ => Err("something else stands where an integer is expected".into()),
        }
    }

    pub(crate) fn float(self) -> Result<f32, String> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err("something else stands where a number in f32 is expected".into()),
        }
    }

    /// Appends one integer, or packed ones.
    pub(crate) fn ints(self, to: &mut Vec<i64>) -> Result<(), String> {
        match self {
            Self::Bytes(bytes) => {
                let mut packed = Message::new(bytes);
                while !packed.bytes.is_empty() {
                    to.push(packed.varint()? as i64);
                }
                Ok(())
            }
            other => other.int().map(|value| to.push(value)),
        }
    }

    /// Appends one number in f32, or packed ones.
    pub(crate) fn floats(self, to: &mut Vec<f32>) -> Result<(), String> {
        match self {
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err("packed numbers in f32 are cut short".into());
                }
                to.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                Ok(())
            }
            other => other.float().map(|value| to.push(value)),
        }
    }

    /// Appends one number in f64, or packed ones.
    pub(crate) fn doubles(self, to: &mut Vec<f64>) -> Result<(), String> {
        match self {
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err("packed numbers in f64 are cut short".into());
                }
                to.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)));
                Ok(())
            }
            Self::Fixed64(bytes) => {
                to.push(f64::from_le_bytes(bytes));
                Ok(())
            }
            _ => Err("something else stands where a number in f64 is expected".into()),
        }
    }
}
