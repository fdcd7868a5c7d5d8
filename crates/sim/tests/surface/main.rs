//! The simulator as its clients see it: over real sockets on loopback, in real time.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod load;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod running;
