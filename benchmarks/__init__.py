"""Speed, measured: the engine against its peers and the machine, the cost model, planning."""
