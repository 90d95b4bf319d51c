//! All numbers of a module in one row: what full training changes, keeps and writes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::{DType, Gradients};
use half::f16;
use safetensors::tensor::Dtype;

use crate::checkpoint::place::Place;
use crate::written::header;

/// Where each parameter's numbers lie in the row of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    parameters: Vec<Parameter>,
}

/// A parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What files call it.
    pub name: String,
    /// As Burn has it: linear layers are `[in, out]`.
    pub shape: Vec<usize>,
    /// Whether it is the weight of a linear layer, which files keep as `[out, in]`.
    pub is_linear: bool,
}

impl Parameter {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers enter each number that comes out: the first dimension of a linear layer here, all but the first of
    /// a convolution.
    pub fn inputs(&self) -> usize {
        if self.is_linear {
            self.shape[0]
        } else {
            self.shape[1..].iter().product()
        }
    }
}

impl Parameter {
    /// Its shape and numbers as files have them.
    fn written(&self, numbers: &[f32]) -> (Vec<usize>, Vec<f32>) {
        let is_bare = !(self.name.ends_with("weight") || self.name.ends_with("bias"));
        match self.shape[..] {
            [inputs, outputs] if self.is_linear => {
                let turned = (0..outputs).flat_map(|output| {
                    (0..inputs).map(move |input| numbers[input * outputs + output])
                });
                (vec![outputs, inputs], turned.collect())
            }
            [1] if is_bare => (Vec::new(), numbers.to_vec()),
            _ => (self.shape.clone(), numbers.to_vec()),
        }
    }
}

/// `layers.0.fc1.weight [4, 16]`
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
}

impl Row {
    /// The row of a module.
    pub fn of<M: Module>(module: &M) -> Self {
        let mut found = Listing::default();
        module.visit(&mut found);
        Self {
            parameters: found.parameters,
        }
    }

    /// Its parameters in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the numbers of a parameter are.
    pub fn range(&self, name: &str) -> Option<Range<usize>> {
        let mut end = 0;
        self.parameters.iter().find_map(|parameter| {
            let start = end;
            end += parameter.len();
            (parameter.name == name).then_some(start..end)
        })
    }

    /// The numbers of a module.
    pub fn numbers<M: Module>(module: &M) -> Vec<f32> {
        let mut reading = Reading::default();
        module.visit(&mut reading);
        reading.numbers
    }

    /// The module with these numbers, on a device. Where that keeps graphs, they are leaves.
    ///
    /// # Panics
    /// If they are not as many as the module has.
    pub fn put<M: Module>(module: M, numbers: &[f32], device: &Device) -> M {
        let mut putting = Putting {
            rest: numbers,
            device,
        };
        let module = module.map(&mut putting);
        assert!(
            putting.rest.is_empty(),
            "{} numbers too many",
            putting.rest.len()
        );
        module
    }

    /// A file of safetensors with these numbers in half precision, as PyTorch has them. `named` says what the file calls a
    /// parameter. A lone number that is no weight or bias has no dimensions there (`logit_scale`).
    ///
    /// # Panics
    /// If they are not as many as the row has, or two parameters get one name.
    pub fn file(&self, numbers: &[f32], named: impl Fn(&str) -> String) -> Vec<u8> {
        assert_eq!(numbers.len(), self.len(), "numbers of another row");
        let (mut tensors, mut rest) = (BTreeMap::new(), numbers);
        for parameter in &self.parameters {
            let (own, after) = rest.split_at(parameter.len());
            rest = after;
            let twice = tensors.insert(named(&parameter.name), parameter.written(own));
            assert!(twice.is_none(), "two parameters of one name");
        }
        let texts = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let infos = tensors.iter();
        let infos = infos.map(|(name, (shape, _))| (name, Dtype::F16, shape.clone()));
        let (mut bytes, more) = header(&texts, infos);
        bytes.reserve_exact(more);
        let numbers = tensors.values().flat_map(|(_, numbers)| numbers);
        bytes.extend(numbers.flat_map(|number| f16::from_f32(*number).to_le_bytes()));
        bytes
    }

    /// The gradient of a module whose numbers are leaves; zeros where nothing depended on them.
    pub fn gradient<M: Module>(module: &M, gradients: &Gradients) -> Vec<f32> {
        let mut taking = Taking {
            gradients,
            numbers: Vec::new(),
        };
        module.visit(&mut taking);
        taking.numbers
    }
}

fn append<const D: usize>(tensor: Tensor<D>, numbers: &mut Vec<f32>) {
    let data = tensor.into_data().convert_dtype(DType::F32);
    numbers.extend(data.try_to_vec::<f32>().expect("it was converted above"));
}

#[derive(Default)]
struct Listing {
    place: Place,
    parameters: Vec<Parameter>,
}

impl ModuleVisitor for Listing {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.place.leave();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.parameters.push(Parameter {
            name: self.place.name(),
            shape: parameter.lazy_shape().to_vec(),
            is_linear: D == 2 && self.place.is_linear(),
        });
    }
}

#[derive(Default)]
struct Reading {
    numbers: Vec<f32>,
}

impl ModuleVisitor for Reading {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        append(parameter.val(), &mut self.numbers);
    }
}

struct Taking<'a> {
    gradients: &'a Gradients,
    numbers: Vec<f32>,
}

impl ModuleVisitor for Taking<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        match tensor.grad(self.gradients) {
            Some(found) => append(found, &mut self.numbers),
            None => {
                let zeros = std::iter::repeat_n(0.0, tensor.shape().num_elements());
                self.numbers.extend(zeros);
            }
        }
    }
}

struct Putting<'a> {
    rest: &'a [f32],
    device: &'a Device,
}

impl ModuleMapper for Putting<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = parameter.lazy_shape();
        let (own, rest) = self.rest.split_at(shape.num_elements());
        self.rest = rest;
        let tensor = Tensor::from_data(TensorData::new(own.to_vec(), shape), self.device);
        let tensor = if self.device.is_autodiff() {
            tensor.require_grad()
        } else {
            tensor
        };
        Param::initialized(parameter.id, tensor)
    }
}
