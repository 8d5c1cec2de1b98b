// Command protoc is the part of the protocol buffer compiler that go-to-protobuf calls, in pure Go. The original is
// a C++ program that no Go module proxy carries; with this one, regenerating the code needs nothing but Go.
//
// It understands -I DIR (repeated), --gogo_out=DIR and one or more .proto files.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "protoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var importPaths, files []string
	var outDir string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-I" && i+1 < len(args):
			i++
			importPaths = append(importPaths, args[i])
		case strings.HasPrefix(arg, "--gogo_out="):
			outDir = strings.TrimPrefix(arg, "--gogo_out=")
		case strings.HasPrefix(arg, "-"):
			return fmt.Errorf("unknown argument %q", arg)
		default:
			files = append(files, arg)
		}
	}
	if outDir == "" || len(files) == 0 {
		return errors.New("usage: protoc -I DIR [-I DIR ...] --gogo_out=DIR FILE.proto ...")
	}

	for i := range files {
		files[i] = importName(files[i], importPaths)
	}
	request, err := compile(ctx, importPaths, files)
	if err != nil {
		return err
	}
	response, err := generate(request)
	if err != nil {
		return err
	}
	for _, file := range response.GetFile() {
		path := filepath.Join(outDir, file.GetName())
		if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// importName is how other files import a file: its path below the longest import path that holds it.
func importName(file string, importPaths []string) string {
	name := file
	for _, dir := range importPaths {
		if rel, err := filepath.Rel(dir, file); err == nil && !strings.HasPrefix(rel, "..") && len(rel) < len(name) {
			name = rel
		}
	}
	return filepath.ToSlash(name)
}

func compile(ctx context.Context, importPaths, files []string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: importPaths}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(ctx, files...)
	if err != nil {
		return nil, fmt.Errorf("could not compile: %w", err)
	}

	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: files}
	seen := map[string]bool{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		request.ProtoFile = append(request.ProtoFile, descriptorProto(file))
	}
	for _, file := range linked {
		add(file)
	}
	return request, nil
}

// descriptorProto keeps the descriptor that was parsed where there is one: it still has the gogoproto options.
func descriptorProto(file protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	if parsed, ok := file.(interface {
		FileDescriptorProto() *descriptorpb.FileDescriptorProto
	}); ok {
		return parsed.FileDescriptorProto()
	}
	return protodesc.ToFileDescriptorProto(file)
}

func generate(request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	plugin := exec.Command("protoc-gen-gogo")
	plugin.Stdin = bytes.NewReader(input)
	plugin.Stderr = os.Stderr
	output, err := plugin.Output()
	if err != nil {
		return nil, fmt.Errorf("protoc-gen-gogo: %w", err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, fmt.Errorf("protoc-gen-gogo: %s", response.GetError())
	}
	return response, nil
}
