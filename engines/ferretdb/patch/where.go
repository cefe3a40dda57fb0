package sqlite

import (
	"fmt"
	"strings"

	"github.com/FerretDB/FerretDB/internal/backends/sqlite/metadata"
	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/must"
)

// maxIDs is the largest number of ids that a query names; SQLite takes 32,766 values.
const maxIDs = 10_000

// whereByID returns a condition that every document of a filter meets, and its values: one on the _id, if the filter has one.
// FerretDB compares the whole filter with each document that is found, so the condition may be met by others too. Without it
// a filter of an _id and something else reads the whole collection, as does one of several ids or of a range of them.
func whereByID(filter *types.Document) (string, []any) {
	if filter == nil {
		return "", nil
	}
	switch id, _ := filter.Get("_id"); id := id.(type) {
	case string, types.ObjectID:
		return fmt.Sprintf(` WHERE %s = ?`, metadata.IDColumn), []any{jsonOf(id)}
	case *types.Document:
		if wanted, _ := id.Get("$in"); wanted != nil {
			return whereIn(wanted)
		}
		return whereBetween(id)
	}
	return "", nil
}

// whereIn returns the condition that the id is one of several texts.
func whereIn(wanted any) (string, []any) {
	ids, ok := wanted.(*types.Array)
	if !ok || ids.Len() == 0 || ids.Len() > maxIDs {
		return "", nil
	}
	args := make([]any, ids.Len())
	for i := range args {
		id, ok := must.NotFail(ids.Get(i)).(string)
		if !ok {
			return "", nil
		}
		args[i] = jsonOf(id)
	}
	return fmt.Sprintf(` WHERE %s IN (?%s)`, metadata.IDColumn, strings.Repeat(", ?", len(args)-1)), args
}

// whereBetween returns the condition that the id is in a range of texts. SQLite compares ids as JSON: a bound without its last
// quotation mark comes before all ids that begin with it, and one with a character behind it comes after them.
func whereBetween(operators *types.Document) (string, []any) {
	var conditions []string
	var args []any
	for _, operator := range operators.Keys() {
		bound, ok := must.NotFail(operators.Get(operator)).(string)
		if !ok || !isPlain(bound) {
			continue
		}
		begin := strings.TrimSuffix(jsonOf(bound), `"`)
		switch operator {
		case "$gt", "$gte":
			conditions, args = append(conditions, metadata.IDColumn+" >= ?"), append(args, begin)
		case "$lt", "$lte":
			conditions, args = append(conditions, metadata.IDColumn+" <= ?"), append(args, begin+`"`)
		}
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// isPlain tells whether a text orders in JSON as it does in BSON: each of its characters comes after the quotation mark that
// ends a text, and none is written otherwise in JSON. The ids of this product are such texts.
func isPlain(text string) bool {
	for _, char := range []byte(text) {
		if char <= '"' || char > '~' || strings.IndexByte(`\<>&`, char) >= 0 {
			return false
		}
	}
	return true
}

func jsonOf(value any) string {
	return string(must.NotFail(sjson.MarshalSingleValue(value)))
}
