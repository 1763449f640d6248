//! `kill -9`: nothing acknowledged is lost, nothing is torn, nothing happens twice.

mod load;
mod moments;
mod rounds;
