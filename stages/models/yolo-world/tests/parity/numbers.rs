//! Numbers that a formula makes: the one of `make_golden.py`. Tests of training take it from here.

/// Numbers in [-1, 1) by the name of what they are for.
pub(crate) fn formula(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let seed = name.bytes().fold(2_166_136_261_u32, |seed, byte| {
        (seed ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    (0..count).map(move |index| {
        let mut x = (index as u32).wrapping_mul(0x9E37_79B9).wrapping_add(seed);
        x ^= x >> 16;
        x = x.wrapping_mul(0x7FEB_352D);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        f64::from(x >> 8) / f64::from(1 << 23) - 1.0
    })
}

/// A parameter's numbers.
pub(crate) fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let ends = |ending: &str| name.ends_with(ending);
    let inputs: usize = shape.iter().skip(1).product();
    let (offset, factor) = if ends(".logit_scale") {
        (2.3, 0.3)
    } else if name.contains(".cv4.") && ends(".bias") && !name.contains(".norm.") {
        (-5.0, 0.5)
    } else if ends(".running_var") {
        (1.0, 0.5)
    } else if ends(".bn.weight") || ends(".norm.weight") {
        (1.0, 0.3)
    } else if ends(".gl.weight") {
        (0.0, 2.0)
    } else if name.contains(".22.cv2.") && ends(".2.weight") {
        (0.0, (1000.0 / inputs as f64).sqrt())
    } else if ends(".weight") {
        (0.0, (5.0 / inputs as f64).sqrt())
    } else {
        (0.0, 0.1)
    };
    let numbers = formula(name, shape.iter().product());
    numbers
        .map(|number| (offset + factor * number) as f32)
        .collect()
}
