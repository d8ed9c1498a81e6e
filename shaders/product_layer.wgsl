// What a product of matrices reads and writes of a layer, and the layer's sizes: shared by the products of registers and of
// cooperative matrices.

// [four rows][depth] of four rows
@group(0) @binding(1) var<storage, read> basis: array<vec4<f32>>;
// [partial][row][output group]
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;
// [input][output group]
@group(0) @binding(3) var<storage, read> base_weights: array<vec4<f32>>;

override INPUTS: u32;
override OUTPUT_GROUPS: u32;
override LENGTH: u32;
override HAS_BASE: bool;
// Coefficients of a row and all that is kept of it, with padding.
override SPLINE_DEPTH: u32;
override ALL_DEPTH: u32;
