package redisstore

// CheckFunctions is checkFunctions.
const CheckFunctions = checkFunctions
