//! Do the pages let in whoever may come in, and nobody else?

mod armour;
mod flow;
mod forms;
mod sign_in;
mod sign_out;
