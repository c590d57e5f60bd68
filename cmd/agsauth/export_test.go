package main

// Run is run.
var Run = run
