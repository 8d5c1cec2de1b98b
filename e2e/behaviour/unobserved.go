package behaviour

// Absent is a line of the comparison that no row shows.
type Absent struct {
	// ID as in the reference, so that nobody looks for a row that is not there.
	ID    string
	Title string
	// Reason it cannot be observed here, for people.
	Reason string
}

// Unobserved are the lines that have no row, each with the reason. What a reader knows from prose and does not find in
// the matrix has to be somewhere: a gap that is not named looks like a row that passed.
var Unobserved = []Absent{
	{
		ID: "E4", Title: "Storage that is no etcd",
		Reason: "Both forms store in etcd here: a custom resource cannot do otherwise, and Duet's aggregated server has the " +
			"library's store, whose contract for watches another storage would have to keep by itself.",
	},
	{
		ID: "G14", Title: "A conversion or admission webhook is down",
		Reason: "It has no row of its own: C3 shows it for conversion and B12 for admission.",
	},
}
