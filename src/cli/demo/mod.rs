//! demo
use super::failure::Failure;
use clap::Args;
/// Demo
#[derive(Args)]
pub(crate) struct DemoArgs {}
pub(crate) fn demo(_args: &DemoArgs) -> Result<(), Failure> {
    Ok(())
}
