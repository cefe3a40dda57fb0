package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
)

const (
	headerBytes = 16
	// maxMessageBytes is the largest message of the protocol.
	maxMessageBytes = 48_000_000
	opMsg           = 2013
)

// gate lets one write at a time through to FerretDB, which reads a document, changes it and writes it whole: two updates at
// once would lose one, and two of which only one may match would both. MongoDB does either in one atomic step.
// Inserts need no gate: a unique _id is held by SQLite.
type gate struct {
	// behind is the address of FerretDB.
	behind string
	writes sync.Mutex
}

// serve passes on every connection that comes.
func (g *gate) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			slog.Error("the listener failed", "err", err)
			return
		}
		go g.connect(client)
	}
}

// connect passes on requests and answers, in turn, until either side hangs up.
func (g *gate) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.behind)
	if err != nil {
		slog.Error("FerretDB is not reached", "err", err)
		return
	}
	defer server.Close()
	requests, answers := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := readMessage(requests)
		if err != nil {
			return
		}
		answer, err := g.ask(server, answers, request)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// ask waits for the answer, which FerretDB gives to every request. A write that began is done before the next begins, also
// when its client has left.
func (g *gate) ask(server io.Writer, answers io.Reader, request []byte) ([]byte, error) {
	if isChange(request) {
		g.writes.Lock()
		defer g.writes.Unlock()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return readMessage(answers)
}

// readMessage reads a message of the MongoDB wire protocol: its length comes first, and counts itself.
func readMessage(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < headerBytes || size > maxMessageBytes {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	message := make([]byte, size)
	copy(message, length[:])
	_, err := io.ReadFull(from, message[len(length):])
	return message, err
}

// isChange tells whether a message changes documents that exist. The name of a command is the first key of its document:
// in an OP_MSG after header, flags (4 bytes), kind of section (1), size of the document (4) and type of the value (1).
func isChange(message []byte) bool {
	const name = headerBytes + 4 + 1 + 4 + 1
	if len(message) <= name || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return false
	}
	end := bytes.IndexByte(message[name:], 0)
	if end < 0 {
		return false
	}
	switch string(message[name : name+end]) {
	case "update", "delete", "findAndModify", "findandmodify":
		return true
	}
	return false
}
