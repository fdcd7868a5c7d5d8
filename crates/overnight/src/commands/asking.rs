//! What the commands share that ask a server.

use overnight_core::time::Clock;

use super::Surroundings;
use crate::client::Client;
use crate::client::target::ServerArgs;
use crate::client::wire::{Batch, Told};
use crate::show::{Voice, VoiceArgs, print, print_json};
use crate::wiring::system;

/// The flags of every command that asks a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    pub(super) voice: VoiceArgs,
}

/// A server to ask, and how to tell what it says.
pub(super) struct Asking {
    /// The server.
    pub(super) client: Client,
    /// How to speak.
    pub(super) voice: Voice,
    /// What time it is.
    pub(super) clock: Clock,
}

impl AskArgs {
    /// The flags of a command that takes those of the voice in another way.
    pub(super) const fn new(server: ServerArgs, voice: VoiceArgs) -> Self {
        Self { server, voice }
    }

    /// Makes ready to ask; asks nothing yet.
    pub(super) fn ready(&self, around: &Surroundings) -> anyhow::Result<Asking> {
        Ok(Asking {
            client: Client::new(&self.server, &around.environment)?,
            voice: self.voice.voice(&around.environment),
            clock: system::clock(),
        })
    }
}

impl Asking {
    /// The time in seconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().seconds()
    }

    /// Prints a batch for whoever goes on with it: its id, or all of it as JSON.
    pub(super) fn print_batch(&self, batch: &Told<Batch>) -> anyhow::Result<()> {
        if self.voice.is_json {
            print_json(&batch.json)
        } else {
            print(&batch.read.id)
        }
    }
}

/// So many random hexadecimal digits that nobody draws them again.
pub(super) fn random_name() -> anyhow::Result<String> {
    Ok(format!("overnight-{:032x}", system::entropy()?.draw()))
}
