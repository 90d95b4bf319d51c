//! What is learnt from: rows of tables, and their pictures.

use burn::prelude::*;
use ccsr_stage::{Blobs, Digest, Inputs, Row, StageError, Table, Value};
use image::RgbImage;
use rayon::prelude::*;

use super::chain::unread;
use crate::png;

/// Some columns of a port's table, a list a row, in which nothing is missing.
pub(crate) fn examples(
    inputs: &Inputs<'_>,
    port: &'static str,
    columns: &[&str],
) -> Result<Value, StageError> {
    listed(inputs.table(port)?, port, columns)
}

/// The same of a table; `name` is what people know it by.
pub(crate) fn listed(table: &Table, name: &str, columns: &[&str]) -> Result<Value, StageError> {
    let example = |row: Row<'_>| {
        let cells = columns.iter().map(|column| match row.value(column)? {
            Value::Null => Err(StageError::input(format!(
                "row {} of `{name}` has nothing in `{column}`; expected something to learn from in each",
                row.index() + 1
            ))),
            cell => Ok(cell.clone()),
        });
        Ok(Value::list(cells.collect::<Result<Vec<_>, _>>()?))
    };
    let rows = table
        .rows()
        .map(example)
        .collect::<Result<Vec<_>, StageError>>()?;
    if rows.is_empty() {
        return Err(StageError::input(format!(
            "there is nothing to learn from: `{name}` has no rows"
        )));
    }
    Ok(Value::list(rows))
}

/// The examples that [`examples`] answered.
pub(crate) fn list(material: &Value) -> Result<&[Value], StageError> {
    material.as_list().ok_or_else(|| unread("material"))
}

/// Pictures of one size, in memory.
pub(crate) struct Pictures {
    side: [u32; 2],
    levels: Vec<Vec<u8>>,
}

impl Pictures {
    /// Reads pictures, which are all to be of the size of the first.
    pub(crate) fn read(images: &[Digest], blobs: &dyn Blobs) -> Result<Self, StageError> {
        let pictures = images.par_iter().map(|image| png::read(blobs, image));
        let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
        let first = pictures.first().ok_or_else(|| unread("images"))?;
        let side = [first.width(), first.height()];
        if let Some(other) = pictures
            .iter()
            .find(|other| other.dimensions() != first.dimensions())
        {
            let [width, height] = side;
            return Err(StageError::input(format!(
                "pictures are of different sizes, {width} x {height} and {} x {}; expected one size",
                other.width(),
                other.height()
            )));
        }
        let levels = pictures.into_iter().map(RgbImage::into_raw);
        Ok(Self {
            side,
            levels: levels.collect(),
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Width and height of each.
    pub(crate) const fn side(&self) -> [u32; 2] {
        self.side
    }

    /// Some of them as autoencoders read them.
    ///
    /// # Shapes
    /// `[pictures, 3, height, width]`, in −1 … 1.
    pub(crate) fn centred(&self, pictures: &[usize], device: &Device) -> Tensor<4> {
        let [width, height] = self.side.map(|side| side as usize);
        let planes = pictures.iter().flat_map(|picture| {
            let levels = &self.levels[*picture];
            (0..3).flat_map(move |colour| levels[colour..].iter().step_by(3))
        });
        let numbers = planes.map(|level| f32::from(*level) / 127.5 - 1.0);
        let shape = [pictures.len(), 3, height, width];
        Tensor::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape), device)
    }

    /// One of them.
    pub(crate) fn get(&self, index: usize) -> RgbImage {
        let [width, height] = self.side;
        RgbImage::from_raw(width, height, self.levels[index].clone()).expect("it was one")
    }
}
