//! Muon beside PyTorch's: `make_muon.py` wrote what its steps led to.

use ccsr_nn::golden::Golden;
use ccsr_training::{AdamW, RowPart, State};

use crate::{folder, near};

#[test]
fn steps_of_muon_are_those_of_pytorch() {
    let golden = Golden::open(folder().join("muon.safetensors").to_str().unwrap());
    let numbers = |name: &str| golden.numbers(name).0;
    let matrices = [[4, 7], [9, 3], [5, 5], [4, 27]].map(|[rows, columns]| RowPart {
        matrix: Some([rows, columns]),
        ..RowPart::new(rows * columns, 0.02)
    });
    let bias = RowPart::new(6, 0.02);
    let optimizer = AdamW {
        weight_decay: 0.1,
        max_norm: None,
        ..AdamW::default()
    };
    let mut state = State::new(numbers("before"), false);
    for step in 0..3 {
        let gradient = numbers(&format!("gradient{step}"));
        let parts = matrices.into_iter().chain([bias]);
        state.step_by_parts(gradient, &optimizer, parts, None);
        let after = numbers(&format!("after{step}"));
        near(&state.parameters, &after, 1e-5, "parameters");
    }
}
