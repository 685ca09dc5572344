//! Every bound in one place, each with its reason. What is reached is always an error or an event,
//! never a silent drop.
