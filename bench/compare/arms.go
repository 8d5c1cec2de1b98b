package compare

import (
	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
)

// benchUser is who the benchmark sends its requests as: an ordinary RBAC user. An administrator of system:masters would
// skip authorization and priority and fairness, and with them what makes the forms differ.
const benchUser = "duet-bench"

// armsOf a side: the form's, and on the first side its identical twin, which shows what noise looks like, and the
// in-tree baseline.
func armsOf(s *matrix.Side, seed uint64, first bool) ([]*arm.Arm, error) {
	instances, err := arm.MySQLInstances(seed)
	if err != nil {
		return nil, err
	}
	found := []*arm.Arm{{Name: s.Form.Name(), Form: s.Form.Name(), Kind: instances}}
	if first {
		configMaps, err := arm.ConfigMaps(seed)
		if err != nil {
			return nil, err
		}
		found = append(found,
			&arm.Arm{Name: s.Form.Name() + "-again", Form: s.Form.Name(), Repeats: s.Form.Name(), Kind: instances},
			&arm.Arm{Name: "configmap", Form: arm.BuiltIn, Kind: configMaps})
	}
	user, err := s.Plane.UserConfig(benchUser)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		a.Plane, a.Target = s.Form.Name(), arm.Kubernetes{Config: user, Admin: s.Config()}
	}
	return found, nil
}
