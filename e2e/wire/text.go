package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
)

// Text is an answer of lines that is still open.
type Text struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

// Follow opens a GET whose answer is lines of text, as they come. The context ends it, and so does Close. A refusal is
// no error: then there is no text, and the answer says why.
func (c *Client) Follow(ctx context.Context, path string, options ...Option) (*Text, *Answer, error) {
	response, err := c.open(ctx, http.MethodGet, path, nil, append([]Option{Accept("*/*")}, options...)...)
	if err != nil {
		return nil, nil, err
	}
	answer := &Answer{Code: response.StatusCode, Header: response.Header}
	if answer.OK() {
		return &Text{body: response.Body, lines: bufio.NewScanner(response.Body)}, answer, nil
	}
	defer response.Body.Close()
	if answer.Body, err = io.ReadAll(response.Body); err != nil {
		return nil, nil, fmt.Errorf("could not read the answer to GET %s: %w", path, err)
	}
	return nil, answer, nil
}

// Next waits for the next line. At the end of the text it returns io.EOF.
func (t *Text) Next() (string, error) {
	if t.lines.Scan() {
		return t.lines.Text(), nil
	}
	if err := t.lines.Err(); err != nil {
		return "", fmt.Errorf("could not read the next line: %w", err)
	}
	return "", io.EOF
}

// Close ends the text.
func (t *Text) Close() error { return t.body.Close() }
