"""Systems at a temperature: what is accepted, what is proved, and what comes out in the long run."""
