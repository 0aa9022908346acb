// swift-tools-version: 6.2
import PackageDescription

// Layout and the direction of imports: docs/architecture.md. Arrows point downwards only; CI builds with
// --explicit-target-dependency-import-check error so that a missing or upward arrow fails the build.

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
]
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
  .systemLibrary(name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}
func c(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/C/\(name)", cSettings: [.define("_GNU_SOURCE")])
}
func swift(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}
func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: dependencies, path: "Tests/\(name)", resources: resources, swiftSettings: strict
  )
}

let package = Package(
  name: "terrane",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "FramedRPC", targets: ["FramedRPC"]),
    .library(name: "TerraneMessages", targets: ["TerraneMessages"]),
    .executable(name: "terraned", targets: ["terraned"]),
    .executable(name: "terrane", targets: ["terrane"]),
    .executable(name: "terrane-task", targets: ["terrane-task"]),
    .executable(name: "protoc-gen-framedrpc", targets: ["protoc-gen-framedrpc"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    // C: system libraries (headers and a module map, nothing else) and small targets of our own.
    system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    system("CProtobufC", pkgConfig: "libprotobuf-c", apt: "libprotobuf-c-dev"),
    system("CPostgreSQL", pkgConfig: "libpq", apt: "libpq-dev"),
    system("CGDAL", pkgConfig: "gdal", apt: "libgdal-dev"),
    c("CFramedTLS", ["COpenSSL"]),
    c("CProtobufGuard", ["CProtobufC"]),
    c("CProcess"),
    c("CFramedMessages", ["CProtobufC", "CProtobufGuard"]),
    c("CTerraneMessages", ["CProtobufC", "CProtobufGuard", "CFramedMessages"]),

    // Messages and transport.
    swift("ProtobufFacade", ["CProtobufC", "CProtobufGuard"]),
    swift("FramedMessages", ["ProtobufFacade", "CFramedMessages", "CProtobufC", "CProtobufGuard"]),
    swift("FramedCore", ["FramedMessages", "ProtobufFacade"]),
    swift("FramedRPC", ["FramedCore", "FramedMessages", "ProtobufFacade", "CFramedTLS", "COpenSSL", logging] + nio),
    swift(
      "TerraneMessages",
      [
        "FramedRPC", "FramedMessages", "ProtobufFacade", "CTerraneMessages", "CFramedMessages", "CProtobufC",
        "CProtobufGuard",
      ]),

    // Who may do what: the private authority and its certificates.
    swift("Credentials", ["COpenSSL"]),

    // Database and engine.
    swift("PostgreSQL", ["CPostgreSQL", "CProcess", logging]),
    .target(
      name: "PostgreSQLTesting", dependencies: ["PostgreSQL", logging], path: "Tests/PostgreSQLTesting",
      swiftSettings: strict),
    tests("PostgreSQL", ["PostgreSQL", "PostgreSQLTesting", "CProcess", logging]),
    swift("TaskProtocol", []),
    swift("JobTypes", []),
    swift("CoreMachine", ["PostgreSQL", "TaskProtocol", "CProcess", logging]),
    .target(
      name: "CoreMachineTesting", dependencies: ["CoreMachine", "PostgreSQL", "TaskProtocol", logging],
      path: "Tests/CoreMachineTesting", swiftSettings: strict),
    .executableTarget(
      name: "coremachine-harness", dependencies: ["CoreMachineTesting", "CoreMachine", "PostgreSQL", logging],
      path: "Tests/CoreMachineHarness", swiftSettings: strict),
    tests(
      "CoreMachine",
      [
        "CoreMachine", "CoreMachineTesting", "coremachine-harness", "PostgreSQL", "PostgreSQLTesting", "TaskProtocol",
        logging,
      ],
      resources: [.copy("scripted-task.py")]),

    // Datasets and geospatial work.
    swift("Datasets", ["CoreMachine", "PostgreSQL", "JobTypes", "TaskProtocol", "COpenSSL", logging]),
    swift("Geospatial", ["CGDAL", "COpenSSL"]),
    swift("DatasetTasks", ["Geospatial", "JobTypes", "TaskProtocol", "CPostgreSQL"]),

    // The command line's logic, apart from its options.
    swift(
      "CommandLineClient",
      [
        "TerraneMessages", "FramedRPC", "FramedMessages", "ProtobufFacade",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),

    // The RPC face, and programs: wiring only.
    swift(
      "Services",
      [
        "Credentials", "Datasets", "CoreMachine", "PostgreSQL", "TerraneMessages", "FramedRPC", "FramedMessages",
        "ProtobufFacade", logging,
      ]),
    program(
      "terraned",
      [
        "Services", "Datasets", "CoreMachine", "PostgreSQL", "FramedRPC", "Credentials", "JobTypes", "CProcess",
        logging, arguments, .product(name: "Yams", package: "Yams"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ]),
    program(
      "terrane",
      [
        "CommandLineClient", "Credentials", "TerraneMessages", "FramedRPC", "FramedMessages", "ProtobufFacade",
        arguments,
      ]),
    program("terrane-task", ["DatasetTasks", "Geospatial", "TaskProtocol", "JobTypes"]),
    program("protoc-gen-framedrpc", ["FramedRPCGenerator"]),
    swift(
      "FramedRPCGenerator",
      [
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "SwiftProtobufPluginLibrary", package: "swift-protobuf"),
      ]),

    tests("FramedCore", ["FramedCore", "FramedMessages", "ProtobufFacade"]),
    tests("FramedRPC", ["FramedRPC", "FramedCore", "FramedMessages", "ProtobufFacade", logging]),
    tests("Credentials", ["Credentials"]),
    tests("Geospatial", ["Geospatial"]),
    tests(
      "DatasetTasks",
      ["DatasetTasks", "Geospatial", "JobTypes", "TaskProtocol", "terrane-task", "PostgreSQL", "PostgreSQLTesting"]),
    .target(
      name: "DatasetsTesting",
      dependencies: [
        "Datasets", "CoreMachine", "PostgreSQL", "PostgreSQLTesting", "JobTypes", "TaskProtocol", logging,
      ],
      path: "Tests/DatasetsTesting", swiftSettings: strict),
    tests(
      "Datasets",
      [
        "Datasets", "DatasetsTesting", "CoreMachine", "PostgreSQL", "PostgreSQLTesting", "JobTypes", "TaskProtocol",
        logging,
      ]),
    tests(
      "Services",
      [
        "Services", "Datasets", "DatasetsTesting", "CoreMachine", "PostgreSQL", "PostgreSQLTesting", "JobTypes",
        "TaskProtocol", "Credentials", "TerraneMessages", "FramedRPC", "FramedMessages", "ProtobufFacade", logging,
      ]),
    tests(
      "CommandLineClient",
      ["CommandLineClient", "TerraneMessages", "FramedRPC", "FramedMessages", "ProtobufFacade", "KindsMessages"]),

    // The programs under test of conformance/.
    .target(
      name: "CConformanceMessages", dependencies: ["CProtobufC", "CProtobufGuard", "CFramedMessages"],
      path: "Tests/Conformance/CConformanceMessages"),
    .target(
      name: "ConformanceMessages",
      dependencies: [
        "FramedRPC", "FramedMessages", "ProtobufFacade", "CConformanceMessages", "CFramedMessages", "CProtobufC",
        "CProtobufGuard",
      ],
      path: "Tests/Conformance/ConformanceMessages", swiftSettings: strict),
    .executableTarget(
      name: "conformance-server",
      dependencies: ["ConformanceMessages", "FramedRPC", "FramedMessages", "ProtobufFacade", logging],
      path: "Tests/Conformance/Server", swiftSettings: strict),
    .executableTarget(
      name: "conformance-client",
      dependencies: ["ConformanceMessages", "FramedRPC", "FramedMessages", "ProtobufFacade"],
      path: "Tests/Conformance/Client", swiftSettings: strict),

    // Every kind of field, for the tests of the generated code.
    .target(
      name: "CKindsMessages", dependencies: ["CProtobufC", "CProtobufGuard", "CFramedMessages"],
      path: "Tests/Kinds/CKindsMessages"),
    .target(
      name: "KindsMessages", dependencies: ["FramedMessages", "ProtobufFacade", "CKindsMessages", "CProtobufGuard"],
      path: "Tests/Kinds/KindsMessages", swiftSettings: strict),
    tests(
      "ProtobufFacade",
      ["ProtobufFacade", "KindsMessages", "CKindsMessages", "FramedMessages", "CProtobufC", "CProtobufGuard"]),
    tests(
      "FramedRPCGenerator",
      [
        "FramedRPCGenerator",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "SwiftProtobufPluginLibrary", package: "swift-protobuf"),
      ]),
  ]
)
