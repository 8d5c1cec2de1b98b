package install

import (
	"context"
	"net"
	"strconv"

	"github.com/duet-api/duet/shared/controller/config"
	"github.com/duet-api/duet/shared/process"
)

// controllerPlan is what stands behind the one controller that all forms share. It has no objects that make an API
// appear: it only uses one.
func controllerPlan(env *Environment) (*Plan, error) {
	rbac, err := config.RBAC()
	if err != nil {
		return nil, err
	}
	path, err := env.Binary(config.Name)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, purpose := range []string{"metrics", "probes"} {
		port, err := env.Port(config.Name + "-" + purpose)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return &Plan{
		Prerequisites: rbac,
		Processes: []process.Spec{
			config.LocalProcess(path, env.KubeconfigFile(config.Name), addresses[0], addresses[1], env.podsRun()),
		},
	}, nil
}

// StartController starts the controller of an installation again.
func (i *Installer) StartController(ctx context.Context) error {
	controller, err := controllerPlan(i.Env)
	if err != nil {
		return err
	}
	return i.startController(ctx, controller)
}

func (i *Installer) startController(ctx context.Context, controller *Plan) error {
	for _, spec := range controller.Processes {
		if err := i.Env.Runner().Run(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

// StopController ends the controller and leaves the API served. StartController and Install start it again.
func (i *Installer) StopController(ctx context.Context) error {
	return i.stop(ctx, config.Name)
}
