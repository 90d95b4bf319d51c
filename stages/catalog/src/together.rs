//! Units that are computed together, though some of them cannot be read.

use ccsr_stage::StageError;

/// Computes what was read of units, together; what could not be read has its own error. An error of the computation is
/// one of each unit.
///
/// # Panics
/// If `compute` does not answer as much as it was given.
pub(crate) fn together<R, T>(
    read: impl IntoIterator<Item = Result<R, StageError>>,
    compute: impl FnOnce(Vec<R>) -> Result<Vec<T>, StageError>,
) -> Vec<Result<T, StageError>> {
    let mut given = Vec::new();
    let read = read
        .into_iter()
        .map(|read| read.map(|read| given.push(read)));
    let read: Vec<Result<(), StageError>> = read.collect();
    match compute(given) {
        Ok(computed) => {
            let mut computed = computed.into_iter();
            let mut next = || {
                computed
                    .next()
                    .expect("there is one for each that was read")
            };
            read.into_iter().map(|read| read.map(|()| next())).collect()
        }
        Err(error) => {
            let failed = read
                .into_iter()
                .map(|read| read.and_then(|()| Err(error.again())));
            failed.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(results: Vec<Result<i32, StageError>>) -> Vec<Result<i32, String>> {
        let shown = results.into_iter();
        shown
            .map(|result| result.map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn what_cannot_be_read_leaves_the_others_alone() {
        let read = || [Ok(1), Err(StageError::failed("torn")), Ok(3)];
        let doubled = together(read(), |given| {
            Ok(given.iter().map(|number| 2 * number).collect())
        });
        assert_eq!(shown(doubled), [Ok(2), Err("torn".to_owned()), Ok(6)]);
        let failed = together(read(), |_| Err(StageError::failed("no power")));
        let wanted = ["no power", "torn", "no power"].map(|error| Err(error.to_owned()));
        assert_eq!(shown(failed), wanted);
    }
}
