package validation

import (
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var startTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// required refuses an absent text, and one that is longer than a schema's maxLength, which counts characters.
func required(text string, maxLength int, path *field.Path) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return bounded(text, maxLength, path)
}

func bounded(text string, maxLength int, path *field.Path) field.ErrorList {
	if utf8.RuneCountInString(text) > maxLength {
		return field.ErrorList{field.TooLong(path, text, maxLength)}
	}
	return nil
}

func between(number *int32, least, most int32, path *field.Path) field.ErrorList {
	if number == nil || *number >= least && *number <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *number, fmt.Sprintf("must be between %d and %d", least, most))}
}

func oneOf[T ~string](value T, path *field.Path, known ...T) field.ErrorList {
	if slices.Contains(known, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, known)}
}

// printed takes a copy: String caches its answer in its receiver, and the object may be shared.
func printed(quantity resource.Quantity) string { return quantity.String() }
