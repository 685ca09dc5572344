//! What the kernel's verbs cost, beside the like by hand and elsewhere: run by a program of its own.

use super::Bench;
use crate::Failure;
use crate::report::Report;

pub(super) fn take(_: &mut Bench, _: &mut Report) -> Result<(), Failure> {
    Ok(())
}
