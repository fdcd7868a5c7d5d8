//! The inference servers, made from their settings, and the simulator inside the process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use overnight_engine::UpstreamPart;
use overnight_engine::upstream::Timeouts;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::http::HttpUpstream;
use overnight_sim::settings::SimSettings;
use overnight_sim::sim::Sim;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::descriptors::Descriptors;
use super::listen;
use crate::config::settings::Settings;
use crate::config::upstreams::UpstreamSection;
use crate::failure::UsageError;

/// So many eighths of the memory for answers are filled with their bytes; an allocator needs the rest.
const ANSWER_EIGHTHS: u64 = 6;

/// Refuses to begin without any upstream.
///
/// # Errors
///
/// A sentence that says how to name one.
pub(crate) fn require(settings: &Settings) -> Result<(), UsageError> {
    if settings.upstreams.0.is_empty() {
        let message = "there is no upstream to send requests to: say \
                       `--upstream http://localhost:8000`, or `--upstream sim` for a simulated one";
        return Err(UsageError(message.to_owned()));
    }
    Ok(())
}

/// Makes the upstreams. Answers that do not fit in memory are spooled in a folder.
pub(crate) struct UpstreamMaker<'a> {
    /// What was set.
    pub(crate) settings: &'a Settings,
    /// Where API keys are read from.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// The folder for answers that do not fit in memory.
    pub(crate) spool_folder: &'a Path,
    /// How many requests there can be in flight.
    pub(crate) descriptors: Descriptors,
    /// Ends the simulator.
    pub(crate) stop: CancellationToken,
    /// What the simulator runs in.
    pub(crate) tasks: &'a TaskTracker,
}

impl UpstreamMaker<'_> {
    /// # Errors
    ///
    /// A setting of an upstream does not hold.
    pub(crate) async fn make(&self) -> anyhow::Result<Vec<UpstreamPart>> {
        let sections = &self.settings.upstreams.0;
        let budget = AnswerBudget::new(AnswerLimits {
            memory_bytes: self.settings.memory.answers.0 / 8 * ANSWER_EIGHTHS,
            answer_bytes_max: self.settings.memory.answer_bytes_max.0,
            ..AnswerLimits::new(self.spool_folder.to_owned())
        });
        let mut names = BTreeSet::new();
        let mut parts = Vec::with_capacity(sections.len());
        for section in sections {
            let url = if section.is_sim() {
                self.start_sim().await?
            } else {
                section.url.0.clone()
            };
            parts.push(self.part(section, url, budget.clone(), &mut names)?);
        }
        Ok(parts)
    }

    fn part(
        &self,
        section: &UpstreamSection,
        url: String,
        budget: AnswerBudget,
        names: &mut BTreeSet<String>,
    ) -> anyhow::Result<UpstreamPart> {
        let settings = section.settings(url, self.environment);
        let limits = settings.limits;
        let timeouts = &self.settings.timeouts;
        let timeouts = Timeouts {
            connect: timeouts.connect.0,
            head: timeouts.head.0,
            idle: timeouts.idle.0,
        };
        let upstream = HttpUpstream::new(settings, timeouts, budget)?;
        let name = unique(upstream.name(), names);
        let count = self.settings.upstreams.0.len();
        let limits = self.descriptors.bound(limits, &name, count);
        Ok(UpstreamPart {
            name,
            url: upstream.url().to_owned(),
            upstream: Arc::new(upstream),
            limits,
        })
    }

    /// Starts the simulator on a free port of this machine, and answers its URL.
    async fn start_sim(&self) -> anyhow::Result<String> {
        let settings: SimSettings = self.settings.sim.0.clone();
        let sim = Sim::new(settings)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("the simulator finds no port to listen on")?;
        let url = listen::url(&listener)?;
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Err(error) = sim.serve(listener, stop).await {
                tracing::error!(error = %error, "the simulator ended");
            }
        });
        tracing::info!(upstream.url = url, "the simulator is ready");
        Ok(url)
    }
}

/// The name, or the name with a number when another upstream has it already.
fn unique(name: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}#{number}"));
    let mut choices = std::iter::once(name.to_owned()).chain(numbered);
    choices
        .find(|choice| names.insert(choice.clone()))
        .unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_upstreams_at_one_address_have_different_names() {
        let mut names = BTreeSet::new();
        let given: Vec<_> = ["a", "a", "b", "a"]
            .map(|name| unique(name, &mut names))
            .into();
        assert_eq!(given, ["a", "a#2", "b", "a#3"]);
    }
}
