package subresource

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// metricsColumns is what `kubectl get mysqlinstances <name> --subresource=metrics` shows.
var metricsColumns = []metav1.TableColumnDefinition{
	{Name: "Server", Type: "string", Format: "name", Description: "Name of the server's pod."},
	{Name: "Role", Type: "string", Description: "What the server is for."},
	{Name: "Reachable", Type: "boolean", Description: "Whether the server answered."},
	{Name: "Uptime", Type: "string", Description: "Time since the server started."},
	{Name: "Connections", Type: "integer", Description: "Connections that are open now."},
	{Name: "Queries", Type: "integer", Description: "Queries since the server started."},
	{Name: "Lag", Type: "string", Description: "How far a replica is behind the primary."},
	{Name: "Error", Type: "string", Priority: 1, Description: "Why there is no answer, or no whole one."},
}

// ConvertToTable makes a row of each server.
func (*Metrics) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	metrics, ok := obj.(*v1.MySQLInstanceMetrics)
	if !ok {
		return nil, fmt.Errorf("could not make a table of %T: it is no MySQLInstanceMetrics", obj)
	}
	table := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: metrics.ResourceVersion}}
	if opts, ok := options.(*metav1.TableOptions); !ok || opts == nil || !opts.NoHeaders {
		table.ColumnDefinitions = metricsColumns
	}
	for _, server := range metrics.Servers {
		table.Rows = append(table.Rows, metav1.TableRow{
			// Every row needs an object; what there is, is the instance's.
			Object: runtime.RawExtension{Object: metrics},
			Cells: []any{server.Name, string(server.Role), server.Reachable, seconds(server.UptimeSeconds),
				number(server.Connections), number(server.Queries), seconds(server.ReplicationLagSeconds),
				server.Error},
		})
	}
	return table, nil
}

func number(value *int64) any {
	if value == nil {
		return nil
	}
	return *value
}

func seconds(value *int64) any {
	if value == nil {
		return nil
	}
	return duration.HumanDuration(time.Duration(*value) * time.Second)
}
