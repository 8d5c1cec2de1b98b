package matrix

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/install"
)

// OnCluster is the form that serves the group on a cluster that somebody else runs. There is no control of processes
// there, and users are impersonated, which the administrator must be allowed to do. The profile is that of the record
// that an installation leaves; profile, if not empty, says it where there is none, and otherwise it is the default.
func OnCluster(ctx context.Context, config *rest.Config, forms install.Forms, profile string) (*behaviour.Subject, error) {
	config = rest.CopyConfig(config)
	config.WarningHandler, config.QPS = rest.NoWarnings{}, -1
	c, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("could not reach the cluster: %w", err)
	}
	detected, err := install.Detect(ctx, c)
	if err != nil {
		return nil, err
	}
	switch {
	case detected.Foreign != "":
		return nil, fmt.Errorf("service %s serves %s on this cluster, which is none of Duet's", detected.Foreign, install.Group)
	case detected.Form == "":
		return nil, errors.New("neither form is installed on this cluster: install one, and then look again")
	}
	form, err := forms.Named(detected.Form)
	if err != nil {
		return nil, err
	}
	record, err := install.ReadRecord(ctx, c)
	if err != nil {
		return nil, err
	}
	if profile == "" && record.Form == detected.Form {
		profile = record.Profile
	}
	if profile, err = install.ProfileOf(form, profile); err != nil {
		return nil, err
	}
	return &behaviour.Subject{
		Form: form.Name(), Profile: profile, Capabilities: form.Capabilities(profile), Config: config,
	}, nil
}
