package behaviour

// OfficialPage is the comparison that Kubernetes itself publishes, and that the rows are held against.
const OfficialPage = "https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/"

// OfficialTable is one of its tables.
type OfficialTable struct {
	Title string
	Lines []OfficialLine
}

// OfficialLine is one line of the official comparison, in its own words, and the rows that show what happens.
type OfficialLine struct {
	Feature string
	// CRD and Aggregated are what the page says of each. The table of common features has one column for both.
	CRD, Aggregated string
	// Rows are the IDs of the rows that look at it. A line that nothing can look at has none, and says why in Note.
	Rows []string
	// Note is what the page leaves out or says differently from what the rows see.
	Note string
}

// Official is the official comparison as of Kubernetes 1.36, shortened where it explains.
var Official = []OfficialTable{
	{Title: "Ease of use", Lines: []OfficialLine{
		{
			Feature: "Programming", CRD: "Do not require programming. Users can choose any language for a CRD controller.",
			Aggregated: "Requires programming and building binary and image.",
			Rows:       []string{"B1", "B2", "C2"},
			Note: "A CRD without any program of its own is Duet's profile schema-only: it gives up the rules that only Go " +
				"can say, and converting between versions needs a webhook, which is a program.",
		},
		{
			Feature: "Additional service", CRD: "No additional service to run; CRDs are handled by API server.",
			Aggregated: "An additional service to create and that could fail.",
			Rows:       []string{"G1", "G2", "G8", "C3"},
			Note:       "A CRD with a conversion webhook has an additional service too, and reads of other versions fail with it.",
		},
		{
			Feature: "Ongoing support", CRD: "No ongoing support once the CRD is created. Any bug fixes are picked up as part of " +
				"normal Kubernetes Master upgrades.",
			Aggregated: "May need to periodically pickup bug fixes from upstream and rebuild and update the Aggregated API server.",
			Note:       "It is about the years after an installation, which no run can show.",
		},
		{
			Feature: "Versions", CRD: "No need to handle multiple versions of your API.",
			Aggregated: "You need to handle multiple versions of your API.",
			Rows:       []string{"C1", "C4", "C6", "C8"},
			Note:       "The wording is from before CRDs could have several versions. Both may have one or many.",
		},
	}},
	{Title: "Advanced features and flexibility", Lines: []OfficialLine{
		{
			Feature: "Validation", CRD: "Yes. Most validation can be specified in the CRD using OpenAPI v3.0 validation. The " +
				"CRDValidationRatcheting feature gate allows unchanged invalid parts. Any other by a validating webhook.",
			Aggregated: "Yes, arbitrary validation checks",
			Rows:       []string{"B1", "B2", "B3", "B4", "B6", "B8", "B9", "B10", "B16"},
			Note: "CEL rules in the schema and ValidatingAdmissionPolicy are missing from the line. Ratcheting is no gate any " +
				"more: it is always on for CRDs, and an aggregated server has to write it.",
		},
		{
			Feature: "Defaulting", CRD: "Yes, either via OpenAPI v3.0 validation default keyword, or via a Mutating Webhook (though " +
				"this will not be run when reading from etcd for old objects).",
			Aggregated: "Yes",
			Rows:       []string{"B7", "B11"},
			Note:       "MutatingAdmissionPolicy does it without a program, on both.",
		},
		{Feature: "Multi-versioning", CRD: "Yes", Aggregated: "Yes", Rows: []string{"C1", "C2", "C3", "C9"}},
		{
			Feature: "Custom Storage", CRD: "No", Aggregated: "Yes", Rows: []string{"E1", "E2", "E3", "E5"},
			Note: "The page's example, encryption of sensitive information, is possible for custom resources since 1.26. What " +
				"remains is a storage of their own.",
		},
		{
			Feature: "Custom Business Logic", CRD: "Yes, using Webhooks.", Aggregated: "Yes", Rows: []string{"B8", "B10", "B11", "B12", "D10"},
			Note: "No admission mechanism sees a read, on either form; only a server of one's own can act on one.",
		},
		{Feature: "Scale Subresource", CRD: "Yes", Aggregated: "Yes", Rows: []string{"D4"}},
		{Feature: "Status Subresource", CRD: "Yes", Aggregated: "Yes", Rows: []string{"D1", "D2", "D3"}},
		{Feature: "Other Subresources", CRD: "No", Aggregated: "Yes", Rows: []string{"D5", "D6", "D7", "D8", "D9"}},
		{Feature: "strategic-merge-patch", CRD: "No", Aggregated: "Yes", Rows: []string{"A2", "A3", "A4", "I3"}},
		{
			Feature: "Protocol Buffers", CRD: "No", Aggregated: "Yes", Rows: []string{"A7", "A8", "A9", "I4"},
			Note: "The page on API concepts says that neither has it. Lists of metadata come as protobuf from both.",
		},
		{
			Feature: "OpenAPI Schema", CRD: "Yes, based on the OpenAPI v3.0 validation schema.", Aggregated: "Yes",
			Rows: []string{"A37", "G6", "I1"},
		},
		{
			Feature: "Instance Name", CRD: "Yes, name must be a valid DNS subdomain name.", Aggregated: "No", Rows: []string{"A31"},
			Note: "That it imposes nothing is a gap to close rather than freedom: Duet's aggregated server checks names.",
		},
	}},
	{Title: "Common features", Lines: []OfficialLine{
		common("CRUD", "The new endpoints support CRUD basic operations via HTTP and kubectl", "A1"),
		common("Watch", "The new endpoints support Kubernetes Watch operations via HTTP", "A12", "A13", "A14"),
		common("Discovery", "Clients like kubectl and dashboard automatically offer list, display, and field edit operations", "A35", "A36", "A38"),
		common("json-patch", "The new endpoints support PATCH with Content-Type: application/json-patch+json", "A5"),
		common("merge-patch", "The new endpoints support PATCH with Content-Type: application/merge-patch+json", "A5"),
		common("HTTPS", "The new endpoints uses HTTPS", "F11"),
		common("Built-in Authentication", "Access to the extension uses the core API server (aggregation layer) for authentication", "F1", "F2", "F3"),
		common("Built-in Authorization", "Access to the extension can reuse the authorization used by the core API server", "D11", "F4", "F5"),
		common("Finalizers", "Block deletion of extension resources until external cleanup happens.", "E8"),
		common("Admission Webhooks", "Set default values and validate extension resources during any create/update/delete operation.", "B12"),
		common("UI/CLI Display", "Kubectl, dashboard can display extension resources.", "A11", "I5"),
		common("Unset versus Empty", "Clients can distinguish unset fields from zero-valued fields.", "A24", "A25"),
		common("Client Libraries Generation", "Kubernetes provides generic client libraries, as well as tools to generate type-specific client libraries.", "I2"),
		common("Labels and annotations", "Common metadata across objects that tools know how to edit for core and custom resources.", "A34"),
	}},
}

// common is a line of the table of what both have.
func common(feature, docs string, rows ...string) OfficialLine {
	return OfficialLine{Feature: feature, CRD: docs, Aggregated: docs, Rows: rows}
}

// Question is one that a chooser asks, and the rows that answer it.
type Question struct {
	Title string
	Ask   string
	Rows  []string
}

// Questions are the four that the aggregation layer's own comparison is made of.
var Questions = []Question{
	{
		Title: "Functionality", Ask: "What can clients of one form do that those of the other cannot?",
		Rows: []string{"A2", "A7", "A8", "D5", "D6", "D8", "D9", "I3", "I4", "B8", "A24"},
	},
	{
		Title: "Operation", Ask: "What can fail, and what does it take along?",
		Rows: []string{"G1", "G2", "G3", "G5", "G6", "G8", "C3", "H7", "H9", "H10", "H13"},
	},
	{
		Title: "Set-up", Ask: "What has to be there before the first object?",
		Rows: []string{"H1", "H2", "H3", "F11", "F12", "G11"},
	},
	{
		Title: "Use case", Ask: "Where do the objects live, who can see them, and what does leaving cost?",
		Rows: []string{"E1", "E2", "E3", "E5", "E6", "E11", "E12", "F16", "H14"},
	},
}
