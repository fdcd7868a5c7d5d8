//! `overnight sim`: a simulated inference server.

use std::process::ExitCode;

use overnight_sim::settings::SimSettings;
use overnight_sim::sim::Sim;

use crate::wiring::{listen, signals::Stop};

/// Serves the simulator until a signal.
pub(super) async fn sim(address: String, settings: SimSettings) -> anyhow::Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let models = settings.models.join(", ");
    let sim = Sim::new(settings)?;
    let listener = listen::bind(&address, "--listen").await?;
    let url = listen::url(&listener)?;
    listen::announce(&format!(
        "overnight sim is ready on {url} (models: {models})"
    ))?;
    tokio::select! {
        served = sim.serve(listener, stop.asked()) => served?,
        () = stop.insisted() => {}
    }
    Ok(ExitCode::SUCCESS)
}
