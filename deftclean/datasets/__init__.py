"""Data whose truth is known: public sets, noise put in, the demonstration."""
