//! The CPU runtime, `rten`: for networks with operators that are not known here, and where there is no GPU.

use rten::{Model, ModelOptions, Value};
use rten_tensor::prelude::*;
use rten_tensor::{Layout, Tensor};

use super::error::{NetworkError, Quoted};
use super::graph::Network;
use super::tensor::{ElementType, HostTensor};

/// A network on the CPU.
pub struct CpuNetwork {
    model: Model,
    inputs: Vec<(String, ElementType)>,
}

impl CpuNetwork {
    /// Takes a network whose constants all lie in `bytes`, the file's.
    ///
    /// # Errors
    /// Where the runtime does not know an operator or a type.
    pub fn parse(network: &Network, bytes: Vec<u8>) -> Result<Self, NetworkError> {
        let model = ModelOptions::with_all_ops().load(bytes).map_err(|e| refused(&e))?;
        let inputs = network.inputs().iter().map(|input| (input.name.clone(), input.element)).collect();
        Ok(Self { model, inputs })
    }

    /// Takes a network from its file, with constants in files beside it as [`Network::load`] takes them.
    ///
    /// # Errors
    /// Where a file cannot be read, and as [`CpuNetwork::parse`].
    #[cfg(feature = "files")]
    pub fn load(network: &Network, path: &std::path::Path) -> Result<Self, NetworkError> {
        Self::parse(network, crate::onnx_file::read(path).map_err(|problem| NetworkError::unread(path, problem))?)
    }

    /// Runs the network and gives `outputs`.
    ///
    /// # Errors
    /// Where an input or output is not known, or the runtime fails.
    pub fn run(&self, inputs: &[(&str, &HostTensor)], outputs: &[&str]) -> Result<Vec<HostTensor>, NetworkError> {
        let mut given = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let element = self.inputs.iter().find(|(input, _)| input == name).map(|(_, element)| *element);
            let id = self.model.node_id(name).map_err(|e| refused(&e))?;
            given.push((id, value(tensor, element.unwrap_or(ElementType::F32), name)?.into()));
        }
        let ids = outputs.iter().map(|name| self.model.node_id(name)).collect::<Result<Vec<_>, _>>();
        let values = ids.and_then(|ids| self.model.run(given, &ids, None)).map_err(|e| refused(&e))?;
        let plain = |(name, value): (&&str, Value)| match value {
            Value::FloatTensor(tensor) => HostTensor::new(tensor.shape().to_vec(), tensor.into_data()),
            Value::Int32Tensor(tensor) => {
                HostTensor::new(tensor.shape().to_vec(), tensor.iter().map(|v| *v as f32).collect())
            }
            other => Err(NetworkError::Tensor {
                what: "output",
                name: Quoted(name).to_string(),
                problem: format!("is {}, expected numbers in f32", other.dtype()),
            }),
        };
        outputs.iter().zip(values).map(plain).collect()
    }
}

fn value(tensor: &HostTensor, element: ElementType, name: &str) -> Result<Value, NetworkError> {
    let shape = tensor.shape.as_slice();
    let values = || tensor.values.iter();
    Ok(match element {
        // The runtime computes all of floating point in f32.
        ElementType::F32 | ElementType::F16 | ElementType::F64 => {
            Tensor::from_data(shape, tensor.values.clone()).into()
        }
        ElementType::U8 => Tensor::from_data(shape, values().map(|v| *v as u8).collect::<Vec<_>>()).into(),
        ElementType::I8 => Tensor::from_data(shape, values().map(|v| *v as i8).collect::<Vec<_>>()).into(),
        ElementType::I32 | ElementType::I64 | ElementType::Bool => {
            Tensor::from_data(shape, values().map(|v| *v as i32).collect::<Vec<_>>()).into()
        }
        other => {
            let place = format!("input {}", Quoted(name));
            return Err(NetworkError::unsupported(place, format!("is {} on the CPU", other.name())));
        }
    })
}

fn refused(problem: &dyn std::fmt::Display) -> NetworkError {
    let text = problem.to_string();
    NetworkError::Runtime(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
