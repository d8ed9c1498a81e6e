// Shared by the kernels over tensors of any layout: from the number of an element to where it lies. Once a set of COUNT
// dimensions, the first of them innermost; names end in NAME.

// Coordinates of element `at` of a tensor of these sides.
fn coordinates_NAME(at: u32, sides: array<vec4<u32>, 2>) -> array<u32, COUNT> {
    var rest = at;
    var found: array<u32, COUNT>;
    // repeat d COUNT
    found[{d}] = rest % sides[{d/4}][{d%4}];
    rest /= sides[{d/4}][{d%4}];
    // end
    return found;
}

// From a tensor's first element to the one at these coordinates.
fn element_NAME(coordinates: array<u32, COUNT>, strides: array<vec4<u32>, 2>) -> u32 {
    var at = 0u;
    // repeat d COUNT
    at += coordinates[{d}] * strides[{d/4}][{d%4}];
    // end
    return at;
}
