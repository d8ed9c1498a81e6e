//! How options are set: structs that may gain fields, with a setter a field that can be chained.

/// Chainable setters of a struct of options, named as its fields. `into` before a type takes whatever converts into it: for
/// an `Option` both the value and the option.
macro_rules! setters {
    ($name:ident $(<$life:lifetime>)? { $($fields:tt)* }) => {
        impl $(<$life>)? $name $(<$life>)? {
            $crate::setters::setters!(@ $($fields)*);
        }
    };
    (@ $(#[$attribute:meta])* $field:ident: into $type:ty, $($rest:tt)*) => {
        $(#[$attribute])*
        #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
        $crate::setters::setters!(@ $($rest)*);
    };
    (@ $(#[$attribute:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        $(#[$attribute])*
        #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        $crate::setters::setters!(@ $($rest)*);
    };
    (@) => {};
}

pub(crate) use setters;
