// Package badinput is what people, scripts and attackers send by mistake or on purpose, and what each form must answer.
//
// The behaviour rows ask what the forms do with sensible requests. This table asks whether nonsense is refused in words
// that help, by a server that is still there afterwards, with every object as it was before. The two forms decode and
// validate in a different order and by different code, so the same nonsense takes different ways through them; where
// the answers differ, both are written down here.
package badinput
