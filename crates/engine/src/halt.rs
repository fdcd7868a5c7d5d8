//! Lets a test stop a whole engine, and let it go on, as signals do with a process: while it is
//! stopped nothing of it runs, and its clocks go on.
//!
//! Without the feature `planted` nobody can, and nothing is left of it.

/// Stops every task of an engine at once. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    #[cfg(feature = "planted")]
    state: std::sync::Arc<std::sync::Mutex<State>>,
}

#[cfg(feature = "planted")]
#[derive(Debug, Default)]
struct State {
    is_stopped: bool,
    /// Those who would have run meanwhile.
    waiting: Vec<std::task::Waker>,
}

#[cfg(feature = "planted")]
impl Halt {
    /// From now on nothing runs.
    pub fn stop(&self) {
        crate::shared::lock(&self.state).is_stopped = true;
    }

    /// Everything runs again.
    pub fn go_on(&self) {
        let waiting = {
            let mut state = crate::shared::lock(&self.state);
            state.is_stopped = false;
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    fn holds_up(&self, context: &std::task::Context<'_>) -> bool {
        let mut state = crate::shared::lock(&self.state);
        if state.is_stopped {
            state.waiting.push(context.waker().clone());
        }
        state.is_stopped
    }

    /// The work, which does not go on while everything is stopped.
    pub(crate) async fn heeded<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            if self.holds_up(context) {
                std::task::Poll::Pending
            } else {
                work.as_mut().poll(context)
            }
        })
        .await
    }
}

#[cfg(not(feature = "planted"))]
impl Halt {
    #[expect(clippy::unused_self, reason = "with the feature it is asked")]
    pub(crate) fn heeded<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        work
    }
}
