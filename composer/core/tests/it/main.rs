//! Is a composed answer what a naive composer would have made of the same data, whatever is declared?

#[cfg(test)]
mod chance;
#[cfg(test)]
mod composed;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod random;
#[cfg(test)]
mod world;
