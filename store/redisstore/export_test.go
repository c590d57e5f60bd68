package redisstore

// CheckFunctions are the functions that scripts check a user's rights with.
const CheckFunctions = checkFunctions
