#!/bin/sh
# Compiles Client.java with what Debian packages, and writes a script `client` that runs it.
# Usage: build.sh PROTOS TARGET. PROTOS is the folder `protos` of this project; TARGET a folder to make.
set -eu

packages="default-jdk-headless protobuf-compiler libprotobuf-dev libprotobuf-java protobuf-compiler-grpc-java-plugin
    libgrpc-java libnetty-tcnative-java"
jars="grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub protobuf guava
    perfmark-api geronimo-annotation-1.3-spec netty-tcnative netty-buffer netty-codec netty-codec-http netty-codec-http2
    netty-common netty-handler netty-resolver netty-transport netty-transport-native-unix-common"
here=$(cd "$(dirname "$0")" && pwd)
protos=$(cd "$1" && pwd)

# Exit status 69, EX_UNAVAILABLE of sysexits.h.
fail() { printf 'not installed: %s (on Debian: apt-get install %s)\n' "$1" "$(echo $packages)" >&2; exit 69; }

classpath=
for jar in $jars; do
    [ -e "/usr/share/java/$jar.jar" ] || fail "$jar.jar"
    classpath=$classpath:/usr/share/java/$jar.jar
done
for program in java javac protoc grpc_java_plugin; do
    command -v "$program" >/dev/null || fail "$program"
done
native=$(ls /usr/lib/*/jni/libnetty-tcnative.so 2>/dev/null | head -n 1)
[ -n "$native" ] || fail libnetty-tcnative.so
[ -e /usr/include/google/protobuf/descriptor.proto ] || fail descriptor.proto

mkdir -p "$2"
cd "$2"
mkdir -p generated built native
(cd "$protos" && find . -name '*.proto' | cut -c3-) | xargs protoc "--proto_path=$protos" \
    "--proto_path=$here/../nodejs" --java_out=generated --grpc-java_out=generated \
    "--plugin=protoc-gen-grpc-java=$(command -v grpc_java_plugin)" errors.proto
javac -encoding UTF-8 -cp "$classpath" -sourcepath generated -d built "$here/Client.java"
# Debian's Netty has ALPN, without which there is no HTTP/2, by OpenSSL alone, and looks for it by this name.
cp "$native" native/libnetty_tcnative.so
printf 'exec java "-Djava.library.path=%s" -cp "%s" Client "$@"\n' "$PWD/native" "$PWD/built$classpath" >client
