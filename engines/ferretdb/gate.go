package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
)

const (
	headerBytes = 16
	// maxMessageBytes is the largest message of the protocol.
	maxMessageBytes = 48_000_000
	opMsg           = 2013
	// stringType is the type of a text in BSON.
	stringType = 2
)

// gate lets one write at a time through to FerretDB, which reads a document, changes it and writes it whole: two updates at
// once would lose one, and two of which only one may match would both. MongoDB does either in one atomic step.
// Inserts need no gate: a unique _id is held by SQLite.
type gate struct {
	// behind is the address of FerretDB.
	behind string
	writes sync.Mutex
	// ids adds the index that FerretDB lacks.
	ids *idIndexes
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
	command, collection := commandOf(request)
	if isChange(command) {
		g.writes.Lock()
		defer g.writes.Unlock()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	answer, err := readMessage(answers)
	if err == nil {
		g.ids.note(command, databaseOf(request), collection)
	}
	return answer, err
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

// commandOf returns the command of a message and its value, which names the collection. They are the first key and value
// of its document: in an OP_MSG after header, flags (4 bytes), kind of section (1), size of the document (4) and type of
// the value (1).
func commandOf(message []byte) (command, collection string) {
	const name = headerBytes + 4 + 1 + 4 + 1
	if len(message) <= name || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return "", ""
	}
	command, value, found := strings.Cut(string(message[name:]), "\x00")
	if !found || message[name-1] != stringType {
		return command, ""
	}
	return command, textOf(value)
}

// databaseOf returns the database of a command, its value `$db`.
func databaseOf(message []byte) string {
	_, value, _ := strings.Cut(string(message), string(rune(stringType))+"$db\x00")
	return textOf(value)
}

// textOf reads a string of BSON: its size (4 bytes), then the text, which ends with a zero byte.
func textOf(value string) string {
	if len(value) < 4 {
		return ""
	}
	text, _, _ := strings.Cut(value[4:], "\x00")
	return text
}

// isChange tells whether a command changes documents that exist.
func isChange(command string) bool {
	switch command {
	case "update", "delete", "findAndModify", "findandmodify":
		return true
	}
	return false
}
