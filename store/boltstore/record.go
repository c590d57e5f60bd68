package boltstore

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	// maxRecord is the size limit of a record, in bytes, as in the other stores.
	maxRecord = 1 << 20
	// format is the first byte of each value.
	format = 1
	// headerSize is the size of what precedes the record in a value: the format, the
	// version and the checksum.
	headerSize = 1 + 8 + 4
)

// encode returns the value of a record: the format, the version, a checksum, and the
// record. The checksum covers the key too, so that a value in the place of another one is
// found: bbolt itself has no checksums of what it stores.
func encode(key string, version uint64, data []byte) []byte {
	value := make([]byte, headerSize, headerSize+len(data))
	value[0] = format
	binary.BigEndian.PutUint64(value[1:], version)
	value = append(value, data...)
	binary.BigEndian.PutUint32(value[9:], checksum(key, value))
	return value
}

// decode returns the version and the record of a value, which share its memory.
func decode(key string, value []byte) (version uint64, data []byte, err error) {
	switch version, known := versionOf(value); {
	case !known && len(value) > 0 && value[0] > format:
		return 0, nil, errNewer
	case !known, binary.BigEndian.Uint32(value[9:]) != checksum(key, value), len(value) > headerSize+maxRecord:
		return 0, nil, errDamaged
	default:
		return version, value[headerSize:], nil
	}
}

// versionOf returns the version of a value, which is never 0, and whether there is one.
func versionOf(value []byte) (version uint64, known bool) {
	if len(value) < headerSize || value[0] != format {
		return 0, false
	}
	version = binary.BigEndian.Uint64(value[1:])
	return version, version != 0
}

// checksum returns the checksum of a value, without the place of the checksum itself.
func checksum(key string, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, []byte(key))
	sum = crc32.Update(sum, table, value[:9])
	return crc32.Update(sum, table, value[headerSize:])
}
