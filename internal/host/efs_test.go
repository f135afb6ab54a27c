package host

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// fixture is an efsNamer over files of a test, and the commands of processes that live.
func fixture(files map[string]string, procs map[int]string) efsNamer {
	root := fstest.MapFS{}
	for name, text := range files {
		root[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text)}
	}
	return efsNamer{
		list: func(dir string) (names []string, err error) {
			entries, err := fs.ReadDir(root, strings.TrimPrefix(dir, "/"))
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return names, err
		},
		read: func(path string) ([]byte, error) { return fs.ReadFile(root, strings.TrimPrefix(path, "/")) },
		comm: func(pid int) (string, bool) { name, ok := procs[pid]; return name, ok },
	}
}

const (
	efsOptions  = " rw,vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp"
	localMount  = "61 29 0:50 / /mnt/efs rw,relatime shared:60 - nfs4 127.0.0.1:/" + efsOptions + ",port=20345,timeo=600,clientaddr=127.0.0.1,addr=127.0.0.1"
	tlsState    = `{"pid": 4711, "cmd": ["/usr/bin/efs-proxy", "/run/efs/stunnel-config.fs-0aa11bb22cc33dd44.mnt.efs.20345"], "files": [], "mount_time": 1785139200.5, "mountpoint": "/mnt/efs", "service_type": "efs", "accessPoint": "fsap-0a1b2c3d4e5f60718", "region": "eu-west-1", "fsId": "fs-0aa11bb22cc33dd44"}`
	plainState  = `{"pid": 4711, "cmd": ["/usr/bin/efs-proxy"], "files": [], "mountpoint": "/mnt/efs", "service_type": "efs"}`
	oldState    = `{"pid": 4711, "cmd": ["/usr/bin/stunnel5"], "files": []}`
	stateName   = "/run/efs/fs-0aa11bb22cc33dd44.mnt.efs.20345"
	csiPoint    = "/var/lib/kubelet/pods/6b1d/volumes/kubernetes.io~csi/pv-1/mount"
	csiVolume   = "/var/lib/kubelet/pods/6b1d/volumes/kubernetes.io~csi/pv-1/vol_data.json"
	csiMount    = "61 29 0:50 / " + csiPoint + " rw - nfs4 127.0.0.1:/" + efsOptions + ",port=20345,addr=127.0.0.1"
	csiWithTLS  = `{"pid": 9, "mountpoint": "` + csiPoint + `", "fsId": "fs-0aa11bb22cc33dd44", "accessPoint": "fsap-0a1b2c3d4e5f60718"}`
	csiState    = "/run/efs/fs-0aa11bb22cc33dd44.var.lib.kubelet.pods.6b1d.volumes.kubernetes.io~csi.pv-1.mount.20345"
	aFileSystem = "fs-0aa11bb22cc33dd44"
	aPoint      = "fsap-0a1b2c3d4e5f60718"
)

// TestFileSystemOfMounts names what is mounted in each way that people mount EFS, and
// leaves unnamed what is none or cannot be known.
func TestFileSystemOfMounts(t *testing.T) {
	dns := func(source string) string { return "61 29 0:50 / /mnt/efs rw - nfs4 " + source + efsOptions }
	tests := []struct {
		name  string
		mount string // the first line of mountinfo is looked at
		files map[string]string
		procs map[int]string
		want  FileSystem
	}{
		{"DNS name", dns("fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/"), nil, nil, FileSystem{ID: aFileSystem}},
		{"DNS name with a directory", dns("fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/projects/a"), nil, nil, FileSystem{ID: aFileSystem}},
		{"short id of the first years", dns("fs-12345678.efs.us-east-1.amazonaws.com:/"), nil, nil, FileSystem{ID: "fs-12345678"}},
		{"One Zone by zone name", dns("eu-west-1a.fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/"), nil, nil, FileSystem{ID: aFileSystem}},
		{"another account by zone id", dns("euw1-az2.fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/"), nil, nil, FileSystem{ID: aFileSystem}},
		{"China", dns("fs-0aa11bb22cc33dd44.efs.cn-north-1.amazonaws.com.cn:/"), nil, nil, FileSystem{ID: aFileSystem}},
		{"NFS version 3 type", "61 29 0:50 / /m rw - nfs fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/ rw", nil, nil, FileSystem{ID: aFileSystem}},
		{"helper with TLS", localMount, map[string]string{stateName: tlsState}, nil, FileSystem{aFileSystem, aPoint}},
		{"helper without TLS", localMount, map[string]string{stateName: plainState}, nil, FileSystem{ID: aFileSystem}},
		{"helper of version 1", localMount, map[string]string{stateName: oldState}, nil, FileSystem{ID: aFileSystem}},
		{"helper's directory under /var/run", localMount, map[string]string{"/var" + stateName: tlsState}, nil, FileSystem{aFileSystem, aPoint}},
		{"S3 Files", localMount, map[string]string{stateName: strings.Replace(plainState, `"service_type": "efs"`, `"service_type": "s3files"`, 1)}, nil, FileSystem{ID: aFileSystem}},
		{
			"bind mount of a helper's mount",
			"70 29 0:50 /data /srv/data rw" + strings.TrimPrefix(localMount, "61 29 0:50 / /mnt/efs rw,relatime shared:60") + "\n" + localMount,
			map[string]string{stateName: tlsState},
			nil,
			FileSystem{aFileSystem, aPoint},
		},
		{
			"mount point named by a symbolic link",
			strings.Replace(localMount, "/mnt/efs", "/data/efs", 1),
			map[string]string{stateName: tlsState},
			map[int]string{4711: "efs-proxy"},
			FileSystem{aFileSystem, aPoint},
		},
		{
			"two helpers' mounts",
			localMount + "\n" + strings.NewReplacer("/mnt/efs", "/mnt/b", "0:50", "0:51", "20345", "20346").Replace(localMount),
			map[string]string{stateName: tlsState, "/run/efs/fs-0bbbbbbbbbbbbbbbb.mnt.b.20346": strings.NewReplacer("mnt/efs", "mnt/b", "0aa11bb22cc33dd44", "0bbbbbbbbbbbbbbbb").Replace(plainState)},
			nil,
			FileSystem{aFileSystem, aPoint},
		},
		{"CSI driver", csiMount, map[string]string{csiVolume: `{"driverName":"efs.csi.aws.com","volumeHandle":"fs-0aa11bb22cc33dd44::fsap-0a1b2c3d4e5f60718"}`}, nil, FileSystem{aFileSystem, aPoint}},
		{"CSI driver with a path", csiMount, map[string]string{csiVolume: `{"driverName":"efs.csi.aws.com","volumeHandle":"fs-0aa11bb22cc33dd44:/a"}`}, nil, FileSystem{ID: aFileSystem}},
		{"CSI driver and its state file", csiMount, map[string]string{csiVolume: `{"driverName":"efs.csi.aws.com","volumeHandle":"fs-0aa11bb22cc33dd44"}`, csiState: csiWithTLS}, nil, FileSystem{aFileSystem, aPoint}},

		{"state file that is being written", localMount, map[string]string{"/run/efs/~fs-0aa11bb22cc33dd44.mnt.efs.20345": tlsState}, nil, FileSystem{}},
		{"state file cut short", localMount, map[string]string{stateName: tlsState[:60]}, nil, FileSystem{}},
		{"state file of another port", localMount, map[string]string{strings.Replace(stateName, "20345", "20346", 1): tlsState}, nil, FileSystem{}},
		{"state file that a crash left behind", localMount, map[string]string{"/run/efs/fs-0bbbbbbbbbbbbbbbb.mnt.old.20345": strings.NewReplacer("mnt/efs", "mnt/old", aFileSystem, "fs-0bbbbbbbbbbbbbbbb").Replace(tlsState)}, nil, FileSystem{}},
		{
			"state file that a crash left behind beside the true one", localMount,
			map[string]string{stateName: tlsState, "/run/efs/fs-0bbbbbbbbbbbbbbbb.mnt.old.20345": strings.NewReplacer("mnt/efs", "mnt/old", aFileSystem, "fs-0bbbbbbbbbbbbbbbb").Replace(tlsState)},
			nil,
			FileSystem{aFileSystem, aPoint},
		},
		{"state file whose name and text disagree", localMount, map[string]string{stateName: strings.Replace(tlsState, `"fsId": "fs-0aa11bb22cc33dd44"`, `"fsId": "fs-0bbbbbbbbbbbbbbbb"`, 1)}, nil, FileSystem{}},
		{"CSI driver and state file that disagree", csiMount, map[string]string{csiVolume: `{"driverName":"efs.csi.aws.com","volumeHandle":"fs-0bbbbbbbbbbbbbbbb"}`, csiState: csiWithTLS}, nil, FileSystem{}},
		{"another CSI driver", csiMount, map[string]string{csiVolume: `{"driverName":"fsx.csi.aws.com","volumeHandle":"fs-0aa11bb22cc33dd44"}`}, nil, FileSystem{}},
		{"mount by address", dns("10.0.1.7:/"), map[string]string{stateName: tlsState}, nil, FileSystem{}},
		{"NFS on this host", dns("127.0.0.1:/export"), map[string]string{stateName: tlsState}, nil, FileSystem{}},
		{"FSx for OpenZFS", dns("fs-0aa11bb22cc33dd44.fsx.eu-west-1.amazonaws.com:/fsx"), nil, nil, FileSystem{}},
		{"FSx for ONTAP", dns("svm-0aa11bb22cc33dd44.fs-0aa11bb22cc33dd44.fsx.eu-west-1.amazonaws.com:/vol1"), nil, nil, FileSystem{}},
		{"FSx for Lustre", "61 29 0:50 / /fsx rw - lustre 10.0.1.9@tcp:/abcdefgh rw,flock", nil, nil, FileSystem{}},
		{"a server that is called like one", dns("fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com.example.org:/"), nil, nil, FileSystem{}},
		{"a directory that is called like one", dns("nas:/fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/"), nil, nil, FileSystem{}},
		{"FUSE that calls itself one", "61 29 0:50 / /mnt/efs rw - fuse fs-0aa11bb22cc33dd44.efs.eu-west-1.amazonaws.com:/ rw,user_id=1000", nil, nil, FileSystem{}},
		{"a disk", "61 29 259:1 / /mnt/efs rw - ext4 /dev/nvme1n1 rw", map[string]string{stateName: tlsState}, nil, FileSystem{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mounts, err := ParseMounts(strings.NewReader(tt.mount + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := fixture(tt.files, tt.procs).name(mounts[0], mounts); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestNamesOfMountsLast names a mount once its file is written, keeps the name when the
// file goes before the mount does, and looks no longer for one that never comes.
func TestNamesOfMountsLast(t *testing.T) {
	mounts, err := ParseMounts(strings.NewReader(localMount + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	dev := event.MakeDev(0, 50)
	at := time.Unix(1785139200, 0)
	f := nameFileSystems(fixture(nil, nil), mounts, fileSystems{}, at)
	if len(f.unnamed) != 1 || f.byDev[dev] != (FileSystem{}) {
		t.Fatalf("before its file is written the mount is %+v", f)
	}
	if late := nameFileSystems(fixture(nil, nil), mounts, f, at.Add(nameWithin)); len(late.unnamed) != 0 {
		t.Error("a mount without a file is looked at for ever")
	}
	f = nameFileSystems(fixture(map[string]string{stateName: tlsState}, nil), mounts, f, at.Add(time.Second))
	if want := (FileSystem{aFileSystem, aPoint}); f.byDev[dev] != want || len(f.unnamed) != 0 {
		t.Fatalf("got %+v, want %+v", f, want)
	}
	f = nameFileSystems(fixture(nil, nil), mounts, f, at.Add(time.Minute))
	if want := (FileSystem{aFileSystem, aPoint}); f.byDev[dev] != want {
		t.Errorf("without its file the mount is %+v, want %+v", f.byDev[dev], want)
	}
	again, err := ParseMounts(strings.NewReader(strings.Replace(localMount, "61 29", "77 29", 1) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if f = nameFileSystems(fixture(nil, nil), again, f, at.Add(time.Minute)); f.byDev[dev] != (FileSystem{}) {
		t.Errorf("another mount with the device of the one before is called %+v", f.byDev[dev])
	}
}

// TestDeviceOfTwoAccessPoints says of a device only what all its mounts agree on.
func TestDeviceOfTwoAccessPoints(t *testing.T) {
	other := strings.NewReplacer("61 29", "62 29", "/mnt/efs", "/mnt/b", "20345", "20346").Replace(localMount)
	mounts, err := ParseMounts(strings.NewReader(localMount + "\n" + other + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		stateName: tlsState,
		"/run/efs/fs-0aa11bb22cc33dd44.mnt.b.20346": strings.NewReplacer("/mnt/efs", "/mnt/b", "fsap-0a1b2c3d4e5f60718", "fsap-0bbbbbbbbbbbbbbbb").Replace(tlsState),
	}
	f := nameFileSystems(fixture(files, nil), mounts, fileSystems{}, time.Time{})
	if got, want := f.byDev[event.MakeDev(0, 50)], (FileSystem{ID: aFileSystem}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestLongMountLine reads a table in which one line has the options of an overlay with
// hundreds of layers.
func TestLongMountLine(t *testing.T) {
	long := "60 29 0:49 / /merged rw - overlay overlay rw,lowerdir=" + strings.Repeat("/var/lib/layers/0123456789abcdef:", 10_000)
	mounts, err := ParseMounts(strings.NewReader(long + "\n" + localMount + "\n"))
	if err != nil || len(mounts) != 2 || mounts[0].Point != "/merged" || mounts[1].Point != "/mnt/efs" {
		t.Errorf("got %d mounts, %v", len(mounts), err)
	}
}
