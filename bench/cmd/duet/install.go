package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/install"
)

func newInstallCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	var form, profile string
	cmd := &cobra.Command{
		Use:     "install --impl crd|aggregated",
		GroupID: groupInstallation,
		Short:   "Serve MySQLInstance in one of the two forms, with the controller behind it",
		Long: `Serve MySQLInstance on the control plane that "duet up" started, in one of two forms, and wait until a real LIST
answers in every version. Installing again changes nothing that is as it should be, and puts right what is not.

` + describeForms() + `
One form is never put over the other. To change, uninstall first: objects stay stored, and the next form serves them.`,
		Example: `  duet install --impl crd
  duet install --impl crd --profile schema-only
  duet install --impl aggregated`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form == "" {
				return usagef(cmd, "--impl is missing: use --impl crd or --impl aggregated")
			}
			implementation, err := forms.Named(form)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if _, err := install.ProfileOf(implementation, profile); err != nil {
				return usagef(cmd, "%w", err)
			}
			installer, err := where.installer(cmd, streams)
			if err != nil {
				return err
			}
			if err := installer.Install(cmd.Context(), form, profile); err != nil {
				return err
			}
			printLines(streams.Out,
				fmt.Sprintf("%s is installed and serves %s", form, install.Resource.GroupResource()),
				"",
				"Next:",
				"  duet kubectl"+where.flags()+" get mysqlinstances -A -o wide",
				"  duet status"+where.flags())
			return nil
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&form, "impl", "", "the form: crd or aggregated")
	cmd.Flags().StringVar(&profile, "profile", "", "the form's variant (default: what is installed already, else the first listed above)")
	return cmd
}

// describeForms lists the forms and their profiles, as they are in code.
func describeForms() string {
	text := ""
	for _, form := range forms {
		text += fmt.Sprintf("  %-11s profiles:", form.Name())
		for _, profile := range form.Profiles() {
			text += fmt.Sprintf(" %s (%s)", profile, form.Storage(profile))
		}
		text += "\n"
	}
	return text
}

func newUninstallCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	var deleteData bool
	cmd := &cobra.Command{
		Use:     "uninstall",
		GroupID: groupInstallation,
		Short:   "Take the installed form away; stored objects stay",
		Long: `Take the installed form, its processes and the controller away.

Objects are not deleted: they stay in storage, and policies keep anybody from deleting them by accident (the garbage
collector would take their children for orphans while nobody serves their owners). With --delete-data every
MySQLInstance is deleted first, as its deletionPolicy says.`,
		Example: `  duet uninstall
  duet uninstall --delete-data`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			installer, err := where.installer(cmd, streams)
			if err != nil {
				return err
			}
			result, err := installer.Uninstall(cmd.Context(), deleteData)
			if err != nil {
				return err
			}
			switch {
			case result.Form == "":
				printLines(streams.Out, "nothing is installed")
			case deleteData:
				printLines(streams.Out, fmt.Sprintf("%s is uninstalled, %d objects are deleted", result.Form, result.Deleted))
			default:
				printLines(streams.Out, result.Form+" is uninstalled")
			}
			if len(result.Stays) > 0 {
				printLines(streams.Out, "What stays:")
				for _, stays := range result.Stays {
					printLines(streams.Out, "  - "+stays)
				}
			}
			return nil
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&deleteData, "delete-data", false, "delete every MySQLInstance first")
	return cmd
}
