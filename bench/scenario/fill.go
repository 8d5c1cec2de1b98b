package scenario

import "context"

// Fill creates so many objects beside the population, and says how to remove them. What was created before a failure is
// removed by that, too.
func (s *Subject) Fill(ctx context.Context, count int) (remove func(context.Context) error, err error) {
	objects := s.fresh("filler", count)
	return func(ctx context.Context) error { return s.remove(ctx, objects) }, s.make(ctx, objects)
}
