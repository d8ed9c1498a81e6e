//! A head's numbers in the order in which the kernels read them.

mod float;
mod integer;

pub(super) use float::{ExpandConstants, float_layers};
pub(super) use integer::{factors, integer_layer, output_ranges, params_table};

fn bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}
