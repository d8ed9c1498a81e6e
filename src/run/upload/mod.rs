//! A head's numbers in the order in which the kernels read them.

mod float;
mod integer;

pub(super) use float::{ExpandConstants, LayerData, float_layer};
pub(super) use integer::{columns, integer_layer, numbers};

fn bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}
