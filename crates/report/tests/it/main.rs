//! The reports as those who read them meet them: through the public face, and in a browser.

// Marked as tests, so that the functions beside the tests may unwrap as well.
#[cfg(test)]
mod axe;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod json;
#[cfg(test)]
mod load;
#[cfg(test)]
mod page;
#[cfg(test)]
mod slo;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod written;
