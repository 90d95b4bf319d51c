//! The stack machine of pickles, protocols 2 to 5, without what calls anything.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Fault;
use crate::names::{Meaning, Name};
use crate::tensor::{Storage, Tensor};
use crate::value::{Id, Value, Values};

/// Runs a pickle; what it builds, and the number of the whole.
pub(crate) fn run(pickle: &[u8]) -> Result<(Values, Id), Fault> {
    let mut machine = Machine {
        pickle,
        at: 0,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    // Each instruction takes a byte at least and adds one value at most, so the pickle's size bounds both.
    loop {
        let at = machine.at;
        let [instruction] = machine.bytes()?;
        if instruction == b'.' {
            let whole = machine.pop()?;
            return Ok((machine.values, whole));
        }
        machine.step(instruction, at)?;
    }
}

struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    values: Values,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, instruction: u8, at: usize) -> Result<(), Fault> {
        match instruction {
            0x80 => {
                let [protocol] = self.bytes()?;
                if !(2..=5).contains(&protocol) {
                    return Err(self.damaged(format!("protocol {protocol}; 2 to 5 are read")));
                }
            }
            // A frame's length is for who reads in parts.
            0x95 => drop(self.bytes::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            // What a set has does not matter, as what is thrown away does not.
            b'1' | 0x90 => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let number = i32::from_le_bytes(self.bytes()?);
                self.push(Value::Int(i64::from(number)));
            }
            b'K' => {
                let [number] = self.bytes()?;
                self.push(Value::Int(i64::from(number)));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.bytes()?);
                self.push(Value::Int(i64::from(number)));
            }
            0x8a => {
                let [length] = self.bytes()?;
                let bytes = self.slice(usize::from(length))?;
                self.push(long(bytes));
            }
            b'G' => {
                let number = f64::from_be_bytes(self.bytes()?);
                self.push(Value::Float(number));
            }
            b'X' | b'T' => self.text::<4>()?,
            0x8c | b'U' => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            0x8b | b'B' => self.other::<4>()?,
            b'C' => self.other::<1>()?,
            0x8e | 0x96 => self.other::<8>()?,
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => {
                let length = usize::from(instruction - 0x84);
                let mut items = Vec::with_capacity(length);
                for _ in 0..length {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Tuple(items));
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.since_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            0x8f => self.push(Value::Other),
            0x91 => {
                self.since_mark()?;
                self.push(Value::Other);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let name = Name::allowed(module, name).map_err(|name| Fault::Refused(at, name))?;
                self.push(Value::Name(name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let texts = self.values.text(module).zip(self.values.text(name));
                let (module, name) = texts.ok_or_else(|| self.damaged("a name that is no text"))?;
                let name = Name::allowed(module, name).map_err(|name| Fault::Refused(at, name))?;
                self.push(Value::Name(name));
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                let object = self.object(class, at)?;
                self.push(object);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments, at)?;
                self.push(made);
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                // Dictionaries and tensors may carry attributes, of which none matters.
                if let Value::Object(kept) = self.values.get_mut(object) {
                    *kept = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(storage);
            }
            b'h' => {
                let [place] = self.bytes()?;
                self.recall(u32::from(place))?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.bytes()?);
                self.recall(place)?;
            }
            b'q' => {
                let [place] = self.bytes()?;
                let top = self.top()?;
                self.memo.insert(u32::from(place), top);
            }
            b'r' => {
                let place = u32::from_le_bytes(self.bytes()?);
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            0x94 => {
                let (place, top) = (self.memo.len() as u32, self.top()?);
                self.memo.insert(place, top);
            }
            other => {
                let shown = char::from(other).escape_default();
                return Err(Fault::Refused(
                    at,
                    format!("instruction {other:#04x} ({shown})"),
                ));
            }
        }
        Ok(())
    }

    fn damaged(&self, what: impl std::fmt::Display) -> Fault {
        Fault::damaged(format!("{what}, before byte {} of its pickle", self.at))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.pickle.len());
        let end =
            end.ok_or_else(|| self.damaged(format!("{length} bytes are to follow, and do not")))?;
        let slice = &self.pickle[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let slice = self.slice(N)?;
        Ok(slice
            .try_into()
            .expect("the slice is as long as was asked for"))
    }

    /// As many bytes as a number of `N` bytes says.
    fn counted<const N: usize>(&mut self) -> Result<&'a [u8], Fault> {
        let mut length = [0; 8];
        length[..N].copy_from_slice(&self.bytes::<N>()?);
        let length = usize::try_from(u64::from_le_bytes(length));
        self.slice(length.map_err(|_| self.damaged("a length that no memory has"))?)
    }

    fn text<const N: usize>(&mut self) -> Result<(), Fault> {
        let bytes = self.counted::<N>()?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| self.damaged("a text that is not UTF-8"))?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    /// Bytes, or a number of many digits.
    fn other<const N: usize>(&mut self) -> Result<(), Fault> {
        self.counted::<N>()?;
        self.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.pickle[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| self.damaged("a name without an end"))?;
        let line = self.slice(end)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| self.damaged("a name that is not UTF-8"))
    }

    fn push(&mut self, value: Value) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    /// What lies on top, above the last mark.
    fn top(&self) -> Result<Id, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.last().filter(|_| self.stack.len() > floor);
        top.copied()
            .ok_or_else(|| self.damaged("its stack is empty"))
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.damaged("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn recall(&mut self, place: u32) -> Result<(), Fault> {
        let id = self.memo.get(&place).copied();
        let id = id.ok_or_else(|| self.damaged(format!("nothing was memorised as {place}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let list = self.top()?;
        match self.values.get_mut(list) {
            Value::List(list) => list.extend(items),
            Value::Object(_) | Value::Other => {}
            _ => return Err(self.damaged("something that is no list is appended to")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.damaged("a key has no value"));
        }
        let dict = self.top()?;
        match self.values.get_mut(dict) {
            Value::Dict(entries) => entries.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Value::Object(_) => {}
            _ => return Err(self.damaged("something that is no dictionary gets an entry")),
        }
        Ok(())
    }

    fn meaning(&self, of: Id) -> Result<&Name, Fault> {
        match self.values.get(of) {
            Value::Name(name) => Ok(name),
            _ => Err(self.damaged("something that is no class makes an object")),
        }
    }

    /// What stands for an object of a class.
    fn object(&self, class: Id, at: usize) -> Result<Value, Fault> {
        let name = self.meaning(class)?;
        match name.meaning {
            Meaning::Class => Ok(Value::Object(None)),
            Meaning::Dict => Ok(Value::Dict(Vec::new())),
            Meaning::Other => Ok(Value::Other),
            _ => Err(Fault::Refused(at, format!("an object of {name}"))),
        }
    }

    /// What stands for a call's result. Nothing is called.
    fn call(&self, function: Id, arguments: Id, at: usize) -> Result<Value, Fault> {
        let name = self.meaning(function)?;
        let Value::Tuple(arguments) = self.values.get(arguments) else {
            return Err(self.damaged(format!("the arguments of `{name}` are no tuple")));
        };
        let argument = |place: usize| {
            let id = arguments.get(place).copied();
            id.ok_or_else(|| self.damaged(format!("`{name}` has {} arguments", arguments.len())))
        };
        match name.meaning {
            Meaning::RebuildTensor => {
                let Value::Storage(storage) = self.values.get(argument(0)?) else {
                    return Err(self.damaged("a tensor without a storage"));
                };
                let offset = self
                    .values
                    .int(argument(1)?)
                    .and_then(|n| usize::try_from(n).ok());
                let sizes = [argument(2)?, argument(3)?].map(|id| self.values.sizes(id));
                let (Some(offset), [Some(shape), Some(strides)]) = (offset, sizes) else {
                    return Err(self.damaged("a tensor with sizes that are none"));
                };
                let tensor = Tensor::new(storage.clone(), offset, shape, strides)?;
                Ok(Value::Tensor(Arc::new(tensor)))
            }
            Meaning::RebuildParameter => match self.values.get(argument(0)?) {
                Value::Tensor(tensor) => Ok(Value::Tensor(tensor.clone())),
                _ => Err(self.damaged("a parameter that is no tensor")),
            },
            Meaning::Dict => Ok(Value::Dict(Vec::new())),
            Meaning::Other => Ok(Value::Other),
            Meaning::Class | Meaning::Storage(_) => {
                Err(Fault::Refused(at, format!("a call of {name}")))
            }
        }
    }

    /// `('storage', kind, key, device, count)`.
    fn storage(&self, id: Id) -> Result<Value, Fault> {
        let misfit = || self.damaged("a storage that is described in another way than PyTorch's");
        let Value::Tuple(parts) = self.values.get(id) else {
            return Err(misfit());
        };
        let [word, kind, key, _, count] = parts.as_slice() else {
            return Err(misfit());
        };
        let is_storage = self.values.text(*word) == Some("storage");
        let count = self
            .values
            .int(*count)
            .and_then(|n| usize::try_from(n).ok());
        match (self.values.get(*kind), self.values.get(*key), count) {
            (Value::Name(name), Value::Text(key), Some(count)) if is_storage => {
                match name.meaning {
                    Meaning::Storage(kind) => Ok(Value::Storage(Storage {
                        kind,
                        key: key.clone(),
                        count,
                    })),
                    _ => Err(misfit()),
                }
            }
            _ => Err(misfit()),
        }
    }
}

/// A whole number, least significant byte first, with a sign.
fn long(bytes: &[u8]) -> Value {
    let Some(last) = bytes.last() else {
        return Value::Int(0);
    };
    if bytes.len() > 8 {
        return Value::Other;
    }
    let mut whole = [if *last >= 0x80 { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}
