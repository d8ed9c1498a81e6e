// Four inputs from `tap_at` on: adds their products to the sums of every row. Part of a function of the kernels whose lanes
// are edges; the codes are in `own_codes` and `own_gain_codes`.
// repeat j 4
{
    let k = codewords_of(own_codes, {j}u);
    let level = levels_of(own_gain_codes[{j}]);
    // repeat row ROWS
    {
        let tap = taps[{row}u * TAP_PITCH + tap_at + {j}u];
        let dots = vec4<i32>(
            dot4I8Packed(tap.y, shape_at(stage, tap.x + k.x)),
            dot4I8Packed(tap.y, shape_at(stage, tap.x + k.y)),
            dot4I8Packed(tap.y, shape_at(stage, tap.x + k.z)),
            dot4I8Packed(tap.y, shape_at(stage, tap.x + k.w)),
        );
        sum_{row} += rounded(dots * level);
    }
    // end
}
// end
