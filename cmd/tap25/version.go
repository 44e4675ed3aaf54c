package main

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit that it was built from, and the Go version",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

// release is the version that the sources are of, or are to become: a build of a tag reports the tag.
const release = "0.1.0-dev"

// pseudoVersion is the version of a commit without a tag (https://go.dev/ref/mod#pseudo-versions): the commit says as
// much.
var pseudoVersion = regexp.MustCompile(`[-.]\d{14}-[0-9a-f]{12}(\+dirty)?$`)

// version describes the binary: the release, and what the Go toolchain recorded in it.
func version() string {
	number, commit := release, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if tag := info.Main.Version; tag != "" && tag != "(devel)" && !pseudoVersion.MatchString(tag) {
			number = tag
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = " commit " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += " with changes"
			}
		}
	}
	return fmt.Sprintf("tap25 %s%s %s %s/%s", number, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
