package ship

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Instances are the ids of the EC2 instances that are starting or running and have a
// tag, from DescribeInstances.
func (c *CloudWatch) Instances(ctx context.Context, key, value string) (ids []string, err error) {
	form := url.Values{
		"Action": {"DescribeInstances"}, "Version": {"2016-11-15"}, "MaxResults": {"1000"},
		"Filter.1.Name": {"tag:" + key}, "Filter.1.Value.1": {value},
		"Filter.2.Name": {"instance-state-name"}, "Filter.2.Value.1": {"pending"}, "Filter.2.Value.2": {"running"},
	}
	for {
		var page struct {
			Next string   `xml:"nextToken"`
			IDs  []string `xml:"reservationSet>item>instancesSet>item>instanceId"`
		}
		body, err := c.askEC2(ctx, form)
		if err == nil {
			err = xml.Unmarshal(body, &page)
		}
		if err != nil {
			return nil, fmt.Errorf("DescribeInstances: %w", err)
		}
		ids = append(ids, page.IDs...)
		if page.Next == "" {
			return ids, nil
		}
		form.Set("NextToken", page.Next)
	}
}

// askEC2 makes one signed call of EC2's query API.
func (c *CloudWatch) askEC2(ctx context.Context, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cfg, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(cfg.Region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	endpoint := "https://ec2." + cfg.Region + "." + domain
	if other := os.Getenv("AWS_ENDPOINT_URL_EC2"); other != "" {
		endpoint = other
	}
	text := form.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "ec2", cfg.Region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := cfg.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // it was read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = refusedByEC2(resp.Status, body)
	}
	return body, err
}

func refusedByEC2(status string, body []byte) error {
	var said struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	if xml.Unmarshal(body, &said) != nil || said.Code == "" {
		return errors.New(status)
	}
	return fmt.Errorf("%s: %s", said.Code, said.Message)
}
