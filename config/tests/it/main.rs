//! The one file from outside: what loads, what is refused and how, and what no bytes can do.

#[cfg(test)]
mod broken;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod effective;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod load;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod second_level;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod work;
