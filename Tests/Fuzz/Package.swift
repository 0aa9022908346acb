// swift-tools-version: 6.2
import PackageDescription

// Fuzzers of the protocol core, a package of their own because all they run is built with instrumentation (scripts/fuzz). The
// sources are the project's, by symbolic links; nothing is downloaded.

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "terrane-fuzz",
  targets: [
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c"),
    .target(name: "CProtobufGuard", dependencies: ["CProtobufC"], cSettings: [.define("_GNU_SOURCE")]),
    .target(name: "CFramedMessages", dependencies: ["CProtobufC", "CProtobufGuard"]),
    .target(name: "ProtobufFacade", dependencies: ["CProtobufC", "CProtobufGuard"], swiftSettings: strict),
    .target(
      name: "FramedMessages", dependencies: ["ProtobufFacade", "CFramedMessages", "CProtobufC", "CProtobufGuard"],
      swiftSettings: strict),
    .target(name: "FramedCore", dependencies: ["FramedMessages", "ProtobufFacade"], swiftSettings: strict),
    .executableTarget(
      name: "fuzz", dependencies: ["FramedCore", "FramedMessages", "ProtobufFacade"],
      swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]),
  ]
)
